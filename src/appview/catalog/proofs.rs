//! Whether the record of a manifest is its owner's: proven here, a moment ago.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::UnitWeighter;

use super::kept::{Kept, Times, Unknown};
use super::{Catalog, look};
use crate::repos::{ReposError, manifest_key};
use atproto::lexicon::nsid;
use atproto::syntax::{Did, Digest, Tid};
use server::identity::Account;

const TIMES: Times =
    Times { fresh: Duration::from_secs(30), failed: Duration::from_secs(15), ask: Duration::from_secs(5) };
/// Proofs that are remembered, at some 400 bytes.
const MAX_REMEMBERED: usize = 4096;

/// Whether a record is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordProof {
    /// Signed by the key of its owner's repository, at this revision.
    Held(Tid),
    /// What the server gives is no proof, or proves something else.
    Wrong(String),
}

pub(super) type Proofs = Arc<Kept<(Did, Digest), RecordProof, UnitWeighter>>;

pub(super) fn remembered() -> Proofs {
    Kept::new(MAX_REMEMBERED, MAX_REMEMBERED as u64, UnitWeighter, TIMES)
}

impl Catalog {
    /// Whether the record of a manifest is proven.
    ///
    /// # Errors
    /// [`Unknown`] when the owner's server does not answer.
    pub async fn proof(&self, account: &Arc<Account>, digest: &Digest) -> Result<RecordProof, Unknown> {
        let (repos, looks, owner, digest) = (Arc::clone(&self.repos), self.looks.clone(), Arc::clone(account), *digest);
        let ask = async move {
            let _place = look(&looks, &repos, &owner).await?;
            let proven = match repos.proven(&owner, nsid::MANIFEST, &manifest_key(&digest)).await {
                Ok(proven) => proven,
                Err(error @ (ReposError::Proof(_) | ReposError::Unproven)) => {
                    tracing::warn!(did = %owner.did, manifest = %digest, "a record is not proven: {error}");
                    return Ok(RecordProof::Wrong(error.to_string()));
                }
                Err(error) => return Err(Unknown(error.to_string())),
            };
            let recorded = proven.value.as_ref().and_then(|record| record.get("digest")?.as_str());
            Ok(match recorded {
                Some(recorded) if recorded == digest.to_string() => RecordProof::Held(proven.revision),
                Some(_) => RecordProof::Wrong("the signed record is of another manifest".into()),
                None => RecordProof::Wrong("the signed repository has no record of this manifest".into()),
            })
        };
        self.proofs.get((account.did.clone(), digest), ask).await
    }
}
