//! Deletion of a tag, or of a manifest with its tags in the repository. Holds have no method for it: the blobs of a
//! deleted manifest stay until their hold collects garbage.

use serde_json::json;

use super::turns::ManifestTurn;
use super::{Images, ImagesError, tables};
use crate::accounts::Login;
use crate::gate::DeletePermit;
use crate::names::Reference;
use crate::repos::{FoundTag, Seen, manifest_key};
use atproto::lexicon::TagRecord;
use atproto::lexicon::nsid;
use atproto::syntax::{Digest, ImageName, Tag};
use server::identity::Account;

impl Images {
    /// Deletes a tag, or a manifest with its tags in the permit's repository. Returns whether it was there.
    ///
    /// # Errors
    /// [`ImagesError`]
    pub async fn delete(
        &self,
        permit: &DeletePermit,
        owner: &Account,
        reference: &Reference,
    ) -> Result<bool, ImagesError> {
        let deleted = match reference {
            Reference::Tag(tag) => self.delete_tag(permit, owner, &permit.repository().name, tag).await,
            Reference::Digest(digest) => {
                let turn = self.turns.manifest(&owner.did, digest).await;
                self.delete_manifest(&turn, permit, owner, digest).await
            }
        };
        self.catalog.forget(&owner.did);
        deleted
    }

    async fn delete_tag(
        &self,
        permit: &DeletePermit,
        owner: &Account,
        repository: &ImageName,
        tag: &Tag,
    ) -> Result<bool, ImagesError> {
        let _turn = self.turns.tag(&owner.did, repository, tag).await;
        let key = TagRecord::key_of(repository, tag);
        let seen = self.repos.record(owner, nsid::TAG, &key).await?;
        let record = seen.value.as_ref().and_then(TagRecord::read);
        if record.is_none_or(|record| record.repository != repository.as_str() || record.tag != tag.as_str()) {
            return Ok(false);
        }
        self.repos.delete(permit.login(), nsid::TAG, &key, &seen).await?;
        Ok(true)
    }

    /// Deletes the record of a manifest, its notices and its row as a referrer.
    pub(super) async fn delete_record(
        &self,
        _turn: &ManifestTurn,
        login: &Login,
        owner: &Account,
        digest: &Digest,
        seen: &Seen,
    ) -> Result<(), ImagesError> {
        self.repos.delete(login, nsid::MANIFEST, &manifest_key(digest), seen).await?;
        // Only now: as long as there is a record, its hold must be notified of it.
        let (account, digest) = (owner.did.clone(), *digest);
        let forget = move |write: &server::sqlite::Write<'_>| {
            tables::withdraw(write, &account, &digest)?;
            tables::referrers::delete(write, &account, &digest)
        };
        self.database.write(forget).await?;
        self.scans.forget(&owner.did);
        Ok(())
    }

    /// Deletes a manifest in one repository. It has one record for all repositories, which is deleted when no other
    /// repository has a tag for it.
    async fn delete_manifest(
        &self,
        turn: &ManifestTurn,
        permit: &DeletePermit,
        owner: &Account,
        digest: &Digest,
    ) -> Result<bool, ImagesError> {
        let (login, name, key) = (permit.login(), &permit.repository().name, manifest_key(digest));
        let seen = self.repos.record(owner, nsid::MANIFEST, &key).await?;
        let home = seen.value.as_ref().and_then(|record| record.get("repository")).and_then(|name| name.as_str());
        let is_home = home == Some(name.as_str());
        let tags = self.repos.tags_at(owner, digest).await?;
        let (here, elsewhere): (Vec<FoundTag>, Vec<_>) = tags.into_iter().partition(|found| found.repository == *name);
        if here.is_empty() && !is_home {
            return Ok(false);
        }
        // Tags first, so that none names a missing manifest.
        for found in &here {
            self.delete_tag(permit, owner, name, &found.tag).await?;
        }
        match (&seen.value, elsewhere.first()) {
            (Some(_), None) if is_home => {
                self.delete_record(turn, login, owner, digest, &seen).await?;
            }
            // The other repository becomes the one of the record.
            (Some(record), Some(other)) if is_home => {
                let mut record = record.clone();
                record["repository"] = json!(other.repository);
                self.repos.put(login, nsid::MANIFEST, &key, record, &seen).await?;
            }
            _ => {}
        }
        Ok(true)
    }
}
