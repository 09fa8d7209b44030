//! The records of images in their owners' repositories: manifests and tags, and the bytes of manifests beside them.
//!
//! What is read comes from the account's own PDS, and anybody may write anything there: a manifest counts by its hash, and
//! of a record only what has the right form.

mod listing;
mod proof;
mod recent;
mod records;
mod writing;

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::StatusCode;
use serde::de::DeserializeOwned;
use sha2::Digest as _;

use crate::accounts::{AccountsError, Sessions};
use crate::index::Index;
use crate::remote::{Credential, Remote, RemoteError};
use atproto::lexicon::error as name;
use atproto::lexicon::nsid::{self, Collection};
use atproto::lexicon::{Manifest, RecordView, TagRecord};
use atproto::repo::{RepoError, cid};
use atproto::syntax::{Digest, ImageName, RecordKey, Tag};
use server::identity::{self, Account, Pool, Resolver};

pub use listing::{FoundManifest, FoundTag};
pub use proof::Proven;
use recent::Recent;
pub use records::{ManifestRecord, manifest_key};
pub use writing::Seen;

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReposError {
    /// Who asks, or whose it is.
    #[error(transparent)]
    Account(#[from] AccountsError),
    /// The owner's PDS does not give it.
    #[error("the owner's PDS: {0}")]
    Pds(RemoteError),
    /// The records cannot be listed.
    #[error("the owner's records: {0}")]
    List(#[from] identity::ListError),
    /// Not all records can be looked through.
    #[error("the owner has more records than can be listed, or their PDS is too slow")]
    TooMany,
    /// The PDS has other bytes than those with this hash.
    #[error("the owner's PDS has other bytes under this digest")]
    WrongBytes,
    /// The PDS has no proof of the record.
    #[error("the owner's PDS has no proof of the record")]
    Unproven,
    /// What the PDS gives for a proof of the record is none.
    #[error("what the owner's PDS gives for a proof of the record is none: {0}")]
    Proof(RepoError),
    /// Somebody else has written it since it was seen.
    #[error("the owner's records change at this moment")]
    Changed,
}

impl From<identity::ResolveError> for ReposError {
    fn from(error: identity::ResolveError) -> Self {
        Self::Account(error.into())
    }
}

/// What a manifest or a blob of a record may have; a PDS takes 5 MiB.
pub const MAX_MANIFEST_BYTES: usize = 5 * 1024 * 1024;
/// Pages of 100 records that are looked through for one blob.
const MAX_PAGES: usize = 50;

/// The digest of some bytes.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(sha2::Sha256::digest(bytes).into())
}

/// Reads and writes repositories.
pub struct Repos {
    remote: Remote,
    resolver: Resolver,
    sessions: Arc<Sessions>,
    recent: Recent,
    index: Arc<Index>,
}

impl Repos {
    /// The host of an account's PDS: many accounts may have the same.
    ///
    /// # Errors
    /// [`ReposError::Account`] when the account's document names no PDS that may be asked.
    pub fn pds_host(&self, account: &Account) -> Result<String, ReposError> {
        let url = self.resolver.pds_method(account, &nsid::GET_RECORD)?.to_string();
        Ok(url.split("/xrpc/").next().unwrap_or_default().to_owned())
    }

    /// By these means; `index` is told of all that is written.
    #[must_use]
    pub fn new(remote: Remote, resolver: Resolver, sessions: Arc<Sessions>, index: Arc<Index>) -> Self {
        Self { remote, resolver, sessions, recent: Recent::default(), index }
    }

    /// What is at a key.
    ///
    /// # Errors
    /// [`ReposError`]; so below.
    pub async fn record(&self, account: &Account, collection: Collection, key: &RecordKey) -> Result<Seen, ReposError> {
        let parameters = &[("repo", account.did.as_str()), ("collection", &collection), ("rkey", key.as_str())];
        match self.query::<RecordView>(account, &nsid::GET_RECORD, parameters).await {
            Ok(view) => Ok(Seen::of(view)),
            Err(ReposError::Pds(error)) if error.is_named(name::RECORD_NOT_FOUND) => Ok(Seen::default()),
            Err(error) => Err(error),
        }
    }

    /// A method of the account's PDS that anybody may read.
    async fn query<T: DeserializeOwned + Send>(
        &self,
        account: &Account,
        method: &str,
        parameters: &[(&str, &str)],
    ) -> Result<T, ReposError> {
        let ask = |url: String| async move { self.remote.query(&url, parameters, Credential::None).await }.boxed();
        self.ask(account, method, ask).await
    }

    /// The same of one that answers bytes, `max` at most.
    async fn fetch(
        &self,
        account: &Account,
        method: &str,
        parameters: &[(&str, &str)],
        max: usize,
    ) -> Result<Bytes, ReposError> {
        let ask = |url: String| async move { self.remote.bytes(&url, parameters, max).await }.boxed();
        self.ask(account, method, ask).await
    }

    /// Asks the account's PDS, and the one that it has moved to, if that does not answer. `ask` is given the method's URL.
    async fn ask<'c, T>(
        &self,
        account: &Account,
        method: &str,
        ask: impl Fn(String) -> BoxFuture<'c, Result<T, RemoteError>>,
    ) -> Result<T, ReposError> {
        let answer = ask(self.resolver.pds_method(account, method)?.to_string()).await;
        let answer = match self.moved(account, answer.as_ref().err()).await {
            Some(moved) => ask(self.resolver.pds_method(&moved, method)?.to_string()).await,
            None => answer,
        };
        answer.map_err(ReposError::Pds)
    }

    /// The account, if it has another PDS by now than the one that answered with `error`.
    async fn moved(&self, account: &Account, error: Option<&RemoteError>) -> Option<Arc<Account>> {
        let may_be_elsewhere = error.is_some_and(RemoteError::may_be_elsewhere);
        if may_be_elsewhere { self.resolver.moved(account, Pool::Strangers).await } else { None }
    }

    /// What is recorded of a manifest.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn manifest(&self, account: &Account, digest: &Digest) -> Result<Option<ManifestRecord>, ReposError> {
        let record = self.record(account, nsid::MANIFEST, &manifest_key(digest)).await?;
        Ok(record.value.and_then(|value| serde_json::from_value::<Manifest>(value).ok()).map(ManifestRecord::of))
    }

    /// The manifest that a tag leads to.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn tagged(&self, account: &Account, name: &ImageName, tag: &Tag) -> Result<Option<Digest>, ReposError> {
        let record = self.record(account, nsid::TAG, &TagRecord::key_of(name, tag)).await?;
        let record = record.value.as_ref().and_then(TagRecord::read);
        Ok(record.filter(|record| record.repository == name.as_str()).and_then(|record| record.digest(&account.did)))
    }

    /// The bytes of a manifest, which have this hash.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn bytes(&self, account: &Account, digest: &Digest) -> Result<Option<Bytes>, ReposError> {
        self.blob(account, digest, MAX_MANIFEST_BYTES).await
    }

    /// A blob beside the records, which has this hash, and so many bytes at most.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn blob(&self, account: &Account, digest: &Digest, max: usize) -> Result<Option<Bytes>, ReposError> {
        let cid = cid::raw(digest).to_string();
        let parameters = &[("did", account.did.as_str()), ("cid", cid.as_str())];
        let is_absent = |status| matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND);
        match self.fetch(account, &nsid::SYNC_GET_BLOB, parameters, max).await {
            Ok(bytes) if digest_of(&bytes) == *digest => Ok(Some(bytes)),
            Ok(_) => Err(ReposError::WrongBytes),
            Err(ReposError::Pds(RemoteError::Refused { status, .. })) if is_absent(status) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A manifest of the account that has this blob.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn manifest_with(&self, account: &Account, blob: &Digest) -> Result<Option<ManifestRecord>, ReposError> {
        let mut found = None;
        let looking = self.each_record(account, nsid::MANIFEST, MAX_PAGES, |view| {
            let record = serde_json::from_value(view.value).ok().map(ManifestRecord::of);
            found = record.filter(|record| record.blobs.contains(blob));
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match looking.await {
            // It is nowhere that anybody will look.
            Ok(()) | Err(ReposError::TooMany) => Ok(found),
            Err(error) => Err(error),
        }
    }
}
