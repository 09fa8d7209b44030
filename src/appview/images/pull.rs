//! Pulls: the bytes of a manifest from its owner's PDS, and the URLs of its blobs.

use bytes::Bytes;

use super::manifest::media_type_of;
use super::{Images, ImagesError};
use crate::gate::PullPermit;
use crate::holds::Verb;
use crate::names::Reference;
use crate::repos::ManifestRecord;
use atproto::syntax::{Digest, HoldId, Tag};
use server::identity::Account;

/// A manifest that was read.
pub struct PulledManifest {
    /// Digest of the bytes, which was verified.
    pub digest: Digest,
    /// Media type by its record, if that is a manifest's, else by its bytes.
    pub media_type: String,
    /// The bytes as pushed.
    pub bytes: Bytes,
    /// The hold with its blobs, if the record names a valid one.
    pub hold: Option<HoldId>,
    /// The manifests of an index, as its record says.
    pub children: Vec<Digest>,
    /// Whether it says something of another manifest, as its record says.
    pub has_subject: bool,
}

impl Images {
    /// Returns a manifest of `owner`; `None` when there is none.
    ///
    /// # Errors
    /// [`ImagesError`]
    pub async fn pull(
        &self,
        permit: &PullPermit,
        owner: &Account,
        reference: &Reference,
    ) -> Result<Option<PulledManifest>, ImagesError> {
        let digest = match reference {
            Reference::Digest(digest) => Some(*digest),
            Reference::Tag(tag) => self.repos.recently_tagged(owner, &permit.repository().name, tag).await?,
        };
        let Some(digest) = digest else { return Ok(None) };
        let Some(record) = self.repos.recent_manifest(owner, &digest).await? else { return Ok(None) };
        let Some(bytes) = self.repos.known_bytes(owner, &digest).await? else { return Ok(None) };
        self.remember_record(owner, &record);
        let media_type = media_type_of(record.media_type, &bytes);
        let ManifestRecord { hold, children, has_subject, .. } = record;
        Ok(Some(PulledManifest { digest, media_type, bytes, hold, children, has_subject }))
    }

    /// Returns the tags of the repository, unordered; `None` when its owner has no such repository.
    ///
    /// # Errors
    /// [`ImagesError`]
    pub async fn tags(&self, permit: &PullPermit, owner: &Account) -> Result<Option<Vec<Tag>>, ImagesError> {
        Ok(self.repos.tags(owner, &permit.repository().name).await?)
    }

    /// Returns the URL of a blob for a client; `None` when it is nowhere. With a permit to push, `HEAD` looks only in
    /// the hold for new blobs: else layers would stay behind in another hold.
    ///
    /// # Errors
    /// [`ImagesError`]
    pub async fn locate(
        &self,
        permit: &PullPermit,
        owner: &Account,
        digest: &Digest,
        verb: Verb,
    ) -> Result<Option<String>, ImagesError> {
        if let Some(login) = permit.login().filter(|_| permit.may_push() && verb == Verb::Head) {
            let hold = self.holds.of_account(owner).await?;
            return Ok(self.holds.locate_for_push(&hold, digest, login).await?);
        }
        let ask = async |hold: &HoldId| self.holds.locate(hold, digest, verb, permit.login()).await;
        let known = self.blob_holds.get(&(owner.did.clone(), *digest));
        let mut found = match &known {
            Some(hold) => ask(hold).await,
            // The manifest was not read here lately.
            None => Ok(None),
        };
        if matches!(found, Ok(Some(_))) {
            return Ok(found?);
        }
        // Another hold may have it: that for new blobs, which is the only one of most accounts.
        let own = self.holds.of_account(owner).await.ok().filter(|own| Some(own) != known.as_ref());
        if let Some(own) = &own {
            found = or_else(found, ask(own).await);
        }
        // A hold that the manifest names and that fails has the blob: it is not searched for.
        if matches!(found, Ok(Some(_))) || (known.is_some() && found.is_err()) {
            return Ok(found?);
        }
        let asked: Vec<_> = known.into_iter().chain(own).collect();
        let record = match self.repos.manifest_with(owner, digest, &asked).await {
            // The hold's own error says more.
            Err(_) if found.is_err() => return Ok(found?),
            record => record?,
        };
        let Some(record) = record else { return Ok(found?) };
        self.remember_record(owner, &record);
        match &record.hold {
            Some(hold) => Ok(or_else(found, ask(hold).await)?),
            None => Ok(found?),
        }
    }

    fn remember_record(&self, owner: &Account, record: &ManifestRecord) {
        if let Some(hold) = &record.hold {
            self.remember_blobs(owner, record.blobs.iter().copied(), hold);
        }
    }

    pub(super) fn remember_blobs(&self, owner: &Account, blobs: impl Iterator<Item = Digest>, hold: &HoldId) {
        for digest in blobs {
            self.blob_holds.insert((owner.did.clone(), digest), hold.clone());
        }
    }
}

/// Returns the later answer about a blob, unless it is none and the first one was an error.
fn or_else<E>(first: Result<Option<String>, E>, later: Result<Option<String>, E>) -> Result<Option<String>, E> {
    if first.is_err() && !matches!(later, Ok(Some(_))) { first } else { later }
}
