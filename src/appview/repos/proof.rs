//! Records with proofs: the commit of the owner's repository and the path to the record are verified here, for web
//! pages.

use serde_json::Value;

use super::{Repos, ReposError};
use crate::remote::RemoteError;
use atproto::lexicon::nsid::{self, Collection};
use atproto::repo::{RepoError, cbor, proof};
use atproto::syntax::{RecordKey, Tid};
use server::identity::{Account, Pool};

/// Longest proof: a record of 1,000,000 bytes, and the MST nodes on the path to it.
const MAX_PROOF_BYTES: usize = 2 * 1024 * 1024;

/// A proven record of an account's repository, or its proven absence.
#[derive(Clone, Debug)]
pub struct Proven {
    /// The revision of the signed commit.
    pub revision: Tid,
    /// The record, if there is one.
    pub value: Option<Value>,
}

impl Repos {
    /// Returns the record at a key, proven by a commit that the key in the account's DID document signed.
    ///
    /// # Errors
    /// [`ReposError::Proof`] when the proof is not valid, [`ReposError::Unproven`] when the PDS has none, else as
    /// [`Repos::record`].
    pub async fn proven(
        &self,
        account: &Account,
        collection: Collection,
        key: &RecordKey,
    ) -> Result<Proven, ReposError> {
        let parameters = &[("did", account.did.as_str()), ("collection", &collection), ("rkey", key.as_str())];
        let path = format!("{collection}/{}", key.as_str());
        let file = match self.fetch(account, &nsid::SYNC_GET_RECORD, parameters, MAX_PROOF_BYTES).await {
            Err(ReposError::Pds(error)) if is_absent(&error) => return Err(ReposError::Unproven),
            file => file?,
        };
        let proven = match proof::verify(&file, &account.did, &account.key, &path) {
            // The signing key may have changed since the DID document was read.
            Err(error @ RepoError::Key(_)) => {
                let newer = self.resolver.refresh(&account.did, Pool::Members).await?;
                if newer.key == account.key {
                    return Err(ReposError::Proof(error));
                }
                proof::verify(&file, &account.did, &newer.key, &path)
            }
            outcome => outcome,
        };
        let proven = proven.map_err(ReposError::Proof)?;
        Ok(Proven { revision: proven.rev, value: proven.record.map(|(_, record)| cbor::to_json(&record)) })
    }
}

/// Whether the error means that the PDS has no proof: servers differ in its name.
fn is_absent(error: &RemoteError) -> bool {
    ["RecordNotFound", "RepoNotFound"].iter().any(|name| error.is_named(name))
}
