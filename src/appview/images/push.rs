//! In: a manifest is checked, its bytes and records go to its owner's repository, and the hold is told.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::{Images, ImagesError, ParsedManifest};
use crate::gate::PushPermit;
use crate::holds::{HoldsError, Verb};
use crate::names::Reference;
use crate::repos::{TagRecord, manifest_key, tag_key};
use atproto::lexicon::NotifyManifest;
use atproto::lexicon::nsid;
use atproto::syntax::{AtUri, Datetime, Digest, ServiceUrl, Tag};
use server::identity::Account;

/// Blobs or manifests that are asked about at once.
const AT_ONCE: usize = 8;

/// What was there before, to be put back.
struct Before {
    manifest: Option<Value>,
    tag: Option<Value>,
}

impl Images {
    /// Takes a manifest in. It is acknowledged only when its blobs are at the hold, its records in the owner's repository,
    /// and the hold is told, or is going to be.
    ///
    /// # Errors
    /// [`ImagesError`]
    pub async fn push(
        &self,
        permit: &PushPermit,
        owner: &Account,
        reference: &Reference,
        manifest: &ParsedManifest,
    ) -> Result<(), ImagesError> {
        let tag = match reference {
            Reference::Digest(digest) if *digest != manifest.digest => {
                return Err(ImagesError::OtherDigest(manifest.digest));
            }
            Reference::Digest(_) => None,
            Reference::Tag(tag) => Some(tag),
        };
        let hold = self.holds.of_account(owner).await?;
        self.holds.join(&hold, permit.login()).await?;
        self.check(permit, owner, &hold, manifest).await?;
        let before = self.before(permit, owner, &manifest.digest, tag).await?;
        // First, so that a crash at any later point leaves the hold told.
        let notice = NotifyManifest {
            repository: permit.repository().name.to_string(),
            user_did: owner.did.clone(),
            manifest_digest: manifest.digest.to_string(),
            manifest: manifest.info(),
            tag: tag.map(Tag::to_string),
            operation: Some("push".into()),
        };
        let pending = self.enqueue(permit.login(), &hold, &notice).await?;
        self.write(permit, owner, &hold, manifest, tag, &before).await?;
        match self.deliver(pending, permit.login(), &hold, &notice).await {
            Ok(()) => {}
            // The account is full, or the blobs are gone: it is no image then.
            Err(error @ HoldsError::Refused { .. }) => {
                self.undo(permit, &manifest.digest, tag, before).await?;
                return Err(error.into());
            }
            // The queue goes on with it.
            Err(error) => tracing::warn!(manifest = %manifest.digest, "a hold is not told of a manifest yet: {error}"),
        }
        self.place(owner, manifest.blobs(), &hold);
        Ok(())
    }

    /// Whether all that the manifest names is there.
    async fn check(
        &self,
        permit: &PushPermit,
        owner: &Account,
        hold: &ServiceUrl,
        manifest: &ParsedManifest,
    ) -> Result<(), ImagesError> {
        let blobs = manifest.blobs().map(|digest| async move {
            match self.holds.locate(hold, &digest, Verb::Head, Some(permit.login())).await? {
                Some(_) => Ok(()),
                None => Err(ImagesError::Missing(digest)),
            }
        });
        stream::iter(blobs.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        let children = manifest.children().map(|digest| async move {
            match self.repos.manifest(owner, &digest).await? {
                Some(_) => Ok(()),
                None => Err(ImagesError::Missing(digest)),
            }
        });
        stream::iter(children.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        Ok(())
    }

    async fn before(
        &self,
        permit: &PushPermit,
        owner: &Account,
        digest: &Digest,
        tag: Option<&Tag>,
    ) -> Result<Before, ImagesError> {
        let manifest = self.repos.record(owner, nsid::MANIFEST, &manifest_key(digest)).await?;
        let tag = match tag {
            Some(tag) => self.repos.record(owner, nsid::TAG, &tag_key(&permit.repository().name, tag)).await?,
            None => None,
        };
        Ok(Before { manifest, tag })
    }

    /// Writes the bytes, the manifest's record and the tag's, in this order: each is there when it is referred to.
    async fn write(
        &self,
        permit: &PushPermit,
        owner: &Account,
        hold: &ServiceUrl,
        manifest: &ParsedManifest,
        tag: Option<&Tag>,
        before: &Before,
    ) -> Result<(), ImagesError> {
        let (login, repository, now) =
            (permit.login(), &permit.repository().name, Datetime::from_micros((self.clock)()));
        let key = manifest_key(&manifest.digest);
        let blob = self.repos.upload_blob(login, &manifest.media_type, &manifest.bytes).await?;
        let mut record = manifest.record();
        let known = |field: &str| before.manifest.as_ref().and_then(|record| record.get(field)).cloned();
        record.insert("$type".into(), json!(nsid::MANIFEST.as_str()));
        // A manifest that is there already keeps its first repository and its time: the same again makes no commit.
        record.insert("repository".into(), known("repository").unwrap_or_else(|| json!(repository)));
        record.insert("createdAt".into(), known("createdAt").unwrap_or_else(|| json!(now)));
        record.insert("holdDid".into(), json!(hold.did()));
        record.insert("manifestBlob".into(), blob);
        self.repos.put(login, nsid::MANIFEST, &key, Value::Object(record)).await?;
        let Some(tag) = tag else { return Ok(()) };
        let tagged = TagRecord {
            repository: repository.to_string(),
            tag: tag.to_string(),
            manifest: Some(AtUri::record(&owner.did, &nsid::MANIFEST.into(), &key).to_string()),
            manifest_digest: None,
            updated_at: Some(now.clone()),
            created_at: Some(now),
        };
        let mut record = json!(tagged);
        record["$type"] = nsid::TAG.as_str().into();
        Ok(self.repos.put(login, nsid::TAG, &tag_key(repository, tag), record).await?)
    }

    /// Puts back what was there before.
    async fn undo(
        &self,
        permit: &PushPermit,
        digest: &Digest,
        tag: Option<&Tag>,
        before: Before,
    ) -> Result<(), ImagesError> {
        let login = permit.login();
        if let Some(tag) = tag {
            let key = tag_key(&permit.repository().name, tag);
            match before.tag {
                Some(record) => self.repos.put(login, nsid::TAG, &key, record).await?,
                None => self.repos.delete(login, nsid::TAG, &key).await?,
            }
        }
        let key = manifest_key(digest);
        match before.manifest {
            Some(record) => Ok(self.repos.put(login, nsid::MANIFEST, &key, record).await?),
            None => Ok(self.repos.delete(login, nsid::MANIFEST, &key).await?),
        }
    }
}
