//! Proofs that the records of a manifest and of a tag are their owner's, cached.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::UnitWeighter;
use serde_json::Value;

use super::answer_cache::{AnswerCache, CacheTimes, LookUpError};
use super::{Catalog, slot_at_host};
use crate::repos::{ReposError, manifest_key};
use atproto::lexicon::TagRecord;
use atproto::lexicon::nsid::{self, Collection};
use atproto::syntax::{Did, Digest, ImageName, RecordKey, Tag, Tid};
use server::identity::Account;

const TIMES: CacheTimes =
    CacheTimes { fresh: Duration::from_secs(30), failed: Duration::from_secs(15), time_out: Duration::from_secs(5) };
/// Number of cached proofs, at some 400 bytes.
const MAX_REMEMBERED: usize = 4096;

/// Result of the proof of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordProof {
    /// The record is signed by the key of its owner's repository, at this revision.
    Held(Tid),
    /// The server's answer is no proof, or proves a different record.
    Wrong(String),
}

/// Cached proofs, by the account and the expected record.
pub(super) type Proofs = Arc<AnswerCache<(Did, ExpectedRecord), RecordProof, UnitWeighter>>;

pub(super) fn remembered() -> Proofs {
    AnswerCache::new(MAX_REMEMBERED, MAX_REMEMBERED as u64, UnitWeighter, TIMES)
}

/// The content that a record is expected to have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ExpectedRecord {
    /// The record of this manifest.
    Manifest(Digest),
    /// The record of this tag, which names this manifest.
    Tag(ImageName, Tag, Digest),
}

impl ExpectedRecord {
    /// Returns where the record is in its owner's repository.
    fn path(&self) -> (Collection, RecordKey) {
        match self {
            Self::Manifest(digest) => (nsid::MANIFEST, manifest_key(digest)),
            Self::Tag(name, tag, _) => (nsid::TAG, TagRecord::key_of(name, tag)),
        }
    }

    /// Returns how the signed record differs from the expected one; `None` if it does not.
    fn objection(&self, account: &Did, record: Option<&Value>) -> Option<&'static str> {
        match self {
            Self::Manifest(digest) => match record.and_then(|record| record.get("digest")?.as_str()) {
                Some(recorded) if recorded == digest.to_string() => None,
                Some(_) => Some("the signed record is of another manifest"),
                None => Some("the signed repository has no record of this manifest"),
            },
            Self::Tag(name, tag, digest) => {
                let none = "the signed repository has no record of this tag";
                let Some(record) = record.and_then(TagRecord::read) else { return Some(none) };
                if record.repository != name.as_str() || record.tag != tag.as_str() {
                    return Some("the signed record is of another tag");
                }
                let moved = "the signed record leads the tag to another manifest";
                (record.digest(account) != Some(*digest)).then_some(moved)
            }
        }
    }
}

impl Catalog {
    /// Returns whether the record of a manifest is proven.
    ///
    /// # Errors
    /// [`LookUpError`] when the owner's server does not answer; the same below.
    pub async fn proof(&self, account: &Arc<Account>, digest: &Digest) -> Result<RecordProof, LookUpError> {
        self.prove(account, ExpectedRecord::Manifest(*digest)).await
    }

    /// Returns whether the record of a tag is proven, and names this manifest: it decides what an image's name means.
    ///
    /// # Errors
    /// [`LookUpError`]
    pub async fn tag_proof(
        &self,
        account: &Arc<Account>,
        name: &ImageName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<RecordProof, LookUpError> {
        self.prove(account, ExpectedRecord::Tag(name.clone(), tag.clone(), *digest)).await
    }

    async fn prove(&self, account: &Arc<Account>, expected: ExpectedRecord) -> Result<RecordProof, LookUpError> {
        let (repos, look_ups, owner) = (Arc::clone(&self.repos), self.look_ups.clone(), Arc::clone(account));
        let (key, inventories) = ((account.did.clone(), expected.clone()), Arc::clone(&self.inventories));
        let ask = async move {
            let _slot = slot_at_host(&look_ups, &repos, &owner).await?;
            let (collection, key) = expected.path();
            let proven = match repos.proven(&owner, collection, &key).await {
                Ok(proven) => proven,
                Err(error @ (ReposError::Proof(_) | ReposError::Unproven)) => {
                    tracing::warn!(did = %owner.did, record = %key, "a record is not proven: {error}");
                    return Ok(RecordProof::Wrong(error.to_string()));
                }
                Err(error) => return Err(error.into()),
            };
            let objection = expected.objection(&owner.did, proven.value.as_ref());
            if objection.is_some() {
                // The record may have changed a moment ago: the next view reads the inventory again.
                inventories.forget(&owner.did);
            }
            let held = RecordProof::Held(proven.revision);
            Ok(objection.map_or(held, |objection| RecordProof::Wrong(objection.into())))
        };
        self.proofs.get(key, ask).await
    }
}
