//! Records with their proof: what a page shows of a record was signed by its owner's repository, and that was verified here.

use serde_json::Value;

use super::{Repos, ReposError};
use crate::remote::RemoteError;
use atproto::lexicon::nsid::{self, Collection};
use atproto::repo::{RepoError, cbor, proof};
use atproto::syntax::{RecordKey, Tid};
use server::identity::{Account, Pool};

/// A record of 1,000,000 bytes, and the nodes on the way to it.
const MAX_PROOF_BYTES: usize = 2 * 1024 * 1024;

/// What an account's repository has at a key, signed.
#[derive(Clone, Debug)]
pub struct Proven {
    /// The revision that was signed.
    pub revision: Tid,
    /// The record, if there is one.
    pub value: Option<Value>,
}

impl Repos {
    /// What is at a key, with the proof of it: signed by the key of the account's DID document.
    ///
    /// # Errors
    /// [`ReposError::Proof`] when it is not, else as [`Repos::record`].
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
            // The key may have changed since the document was read.
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

/// Servers differ in how they say that there is no such record.
fn is_absent(error: &RemoteError) -> bool {
    ["RecordNotFound", "RepoNotFound"].iter().any(|name| error.is_named(name))
}
