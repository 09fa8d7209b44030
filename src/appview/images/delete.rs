//! Deletion of a tag, or of a manifest with its tags in the repository. Holds have no method for it: the blobs of a
//! deleted manifest stay until their hold collects garbage.

use serde_json::json;

use super::record_locks::ManifestGuard;
use super::{Images, ImagesError, tables};
use crate::accounts::Login;
use crate::gate::DeletePermit;
use crate::names::Reference;
use crate::repos::{FoundTag, Seen, manifest_key};
use atproto::lexicon::TagRecord;
use atproto::lexicon::nsid;
use atproto::syntax::{Digest, Tag};
use server::identity::Account;
use server::sqlite::Write;

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
            Reference::Tag(tag) => self.delete_tag(permit, owner, tag, None).await,
            Reference::Digest(digest) => {
                let guard = self.locks.manifest(&owner.did, digest).await;
                self.delete_manifest(&guard, permit, owner, digest).await
            }
        };
        self.catalog.forget(&owner.did);
        deleted
    }

    /// Deletes a tag; with `digest` only if it leads there: it may have been pushed anew since that was seen.
    async fn delete_tag(
        &self,
        permit: &DeletePermit,
        owner: &Account,
        tag: &Tag,
        digest: Option<&Digest>,
    ) -> Result<bool, ImagesError> {
        let repository = &permit.repository().name;
        let _guard = self.locks.tag(&owner.did, repository, tag).await;
        let key = TagRecord::key_of(repository, tag);
        let seen = self.repos.record(owner, nsid::TAG, &key).await?;
        if seen.value.is_none() {
            self.repos.absent(owner, nsid::TAG, &key).await;
        }
        let Some(record) = seen.value.as_ref().and_then(TagRecord::read) else { return Ok(false) };
        let is_it = record.repository == repository.as_str() && record.tag == tag.as_str();
        let leads_there = digest.is_none_or(|digest| record.digest(&owner.did).as_ref() == Some(digest));
        if !is_it || !leads_there {
            return Ok(false);
        }
        self.repos.delete(permit.login(), nsid::TAG, &key, &seen).await?;
        Ok(true)
    }

    /// Deletes the record of a manifest, its notices, what holds said of it, and its row as a referrer.
    pub(super) async fn delete_record(
        &self,
        _guard: &ManifestGuard,
        login: &Login,
        owner: &Account,
        digest: &Digest,
        seen: &Seen,
    ) -> Result<(), ImagesError> {
        self.repos.delete(login, nsid::MANIFEST, &manifest_key(digest), seen).await?;
        // Only now: as long as there is a record, its hold must be notified of it.
        self.forget_manifest(owner, digest).await
    }

    /// Forgets the notices of a manifest without a record, and its row as a referrer.
    async fn forget_manifest(&self, owner: &Account, digest: &Digest) -> Result<(), ImagesError> {
        let (account, digest) = (owner.did.clone(), *digest);
        let forget = move |write: &Write<'_>| {
            tables::withdraw(write, &account, &digest)?;
            tables::refused::delete(write, &account, &digest)?;
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
        guard: &ManifestGuard,
        permit: &DeletePermit,
        owner: &Account,
        digest: &Digest,
    ) -> Result<bool, ImagesError> {
        let (login, name, key) = (permit.login(), &permit.repository().name, manifest_key(digest));
        let seen = self.repos.record(owner, nsid::MANIFEST, &key).await?;
        let home = seen.value.as_ref().and_then(|record| record.get("repository")).and_then(|name| name.as_str());
        let is_home = home == Some(name.as_str());
        let tags = self.repos.tags_at(owner, &[*digest]).await?;
        let (here, elsewhere): (Vec<FoundTag>, Vec<_>) = tags.into_iter().partition(|found| found.repository == *name);
        if here.is_empty() && !is_home {
            if seen.value.is_none() {
                // It may be a deletion whose answer was lost.
                self.repos.absent(owner, nsid::MANIFEST, &key).await;
                self.forget_manifest(owner, digest).await?;
            }
            return Ok(false);
        }
        // Tags first, so that none names a missing manifest.
        for found in &here {
            self.delete_tag(permit, owner, &found.tag, Some(digest)).await?;
        }
        match (&seen.value, elsewhere.first()) {
            (Some(_), None) if is_home => {
                self.delete_record(guard, login, owner, digest, &seen).await?;
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
