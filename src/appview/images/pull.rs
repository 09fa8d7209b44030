//! Out: the bytes of a manifest from its owner's PDS, and where its blobs are.

use bytes::Bytes;

use super::manifest::media_type_of;
use super::{Images, ImagesError};
use crate::gate::PullPermit;
use crate::holds::Verb;
use crate::names::Reference;
use crate::repos::ManifestRecord;
use atproto::syntax::{Digest, ServiceUrl, Tag};
use server::identity::Account;

/// A manifest that was read.
pub struct PulledManifest {
    /// Of the bytes: it was compared.
    pub digest: Digest,
    /// As its record says it, if that is the type of a manifest.
    pub media_type: String,
    /// As they were pushed.
    pub bytes: Bytes,
    /// The hold that has its blobs, if that is one that can be asked.
    pub hold: Option<ServiceUrl>,
    /// The manifests of an index, as its record says.
    pub children: Vec<Digest>,
    /// Whether it says something of another manifest, as its record says.
    pub has_subject: bool,
}

impl Images {
    /// A manifest of `owner`; `None` when there is none.
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
        self.remember(owner, &record);
        let media_type = media_type_of(record.media_type, &bytes);
        let ManifestRecord { hold, children, has_subject, .. } = record;
        Ok(Some(PulledManifest { digest, media_type, bytes, hold, children, has_subject }))
    }

    /// The tags of the repository, in no order; `None` when its owner has no such one.
    ///
    /// # Errors
    /// [`ImagesError`]
    pub async fn tags(&self, permit: &PullPermit, owner: &Account) -> Result<Option<Vec<Tag>>, ImagesError> {
        Ok(self.repos.tags(owner, &permit.repository().name).await?)
    }

    /// Where a client finds a blob; `None` when it is nowhere. Who may push is told of the hold that new blobs go to alone:
    /// else layers would be left behind in another.
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
        if permit.may_push() && verb == Verb::Head {
            let hold = self.holds.of_account(owner).await?;
            return Ok(self.holds.locate(&hold, digest, verb, permit.login()).await?);
        }
        if let Some(hold) = self.places.get(&(owner.did.clone(), *digest)) {
            return Ok(self.holds.locate(&hold, digest, verb, permit.login()).await?);
        }
        // Nobody asked for its manifest here of late; an account mostly has one hold.
        let hold = self.holds.of_account(owner).await.ok();
        if let Some(hold) = &hold
            && let Some(url) = self.holds.locate(hold, digest, verb, permit.login()).await?
        {
            return Ok(Some(url));
        }
        let Some(record) = self.repos.manifest_with(owner, digest).await? else { return Ok(None) };
        self.remember(owner, &record);
        match record.hold.filter(|found| Some(found) != hold.as_ref()) {
            Some(hold) => Ok(self.holds.locate(&hold, digest, verb, permit.login()).await?),
            None => Ok(None),
        }
    }

    fn remember(&self, owner: &Account, record: &ManifestRecord) {
        if let Some(hold) = &record.hold {
            self.place(owner, record.blobs.iter().copied(), hold);
        }
    }

    pub(super) fn place(&self, owner: &Account, blobs: impl Iterator<Item = Digest>, hold: &ServiceUrl) {
        for digest in blobs {
            self.places.insert((owner.did.clone(), digest), hold.clone());
        }
    }
}
