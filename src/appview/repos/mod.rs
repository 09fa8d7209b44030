//! The records of images in their owners' atproto repositories: manifests and tags, and the manifests' bytes as blobs.
//!
//! Records come from the account's own PDS and may contain anything: a manifest is verified by its hash, and only
//! well-formed fields of a record are used.

mod inactive;
mod listing;
mod proof;
mod recent;
mod records;
mod writing;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::StatusCode;
use serde::de::DeserializeOwned;
use sha2::Digest as _;

use crate::accounts::{AccountsError, Inactive, Sessions};
use crate::index::Index;
use crate::remote::{Credential, Remote, RemoteError};
use atproto::lexicon::error as name;
use atproto::lexicon::nsid::{self, Collection};
use atproto::lexicon::{Manifest, RecordView, TagRecord};
use atproto::repo::{RepoError, cid};
use atproto::syntax::{Digest, HoldId, ImageName, RecordKey, Tag};
use server::egress::EgressError;
use server::identity::{self, Account, Pool, Resolver};

pub use listing::{FoundManifest, FoundTag};
pub use proof::Proven;
use recent::Recent;
pub use records::{MAX_MEDIA_TYPE_BYTES, ManifestRecord, manifest_key};
pub use writing::{Replacement, SWAPS, Seen};

/// Errors of reading and writing records.
#[derive(Debug, thiserror::Error)]
pub enum ReposError {
    /// The caller's session or the owner's identity failed.
    #[error(transparent)]
    Account(#[from] AccountsError),
    /// A call to the owner's PDS failed.
    #[error("the owner's PDS: {0}")]
    Pds(RemoteError),
    /// The owner's PDS serves the account's records to nobody.
    #[error(transparent)]
    Inactive(#[from] Inactive),
    /// The records cannot be listed.
    #[error("the owner's records: {0}")]
    List(#[from] identity::ListError),
    /// The records have more pages than may be listed.
    #[error("the owner has more records than can be listed")]
    TooMany,
    /// The listing took too long.
    #[error("the owner's PDS is too slow to list their records")]
    TooSlow,
    /// The owner has more tags, of all repositories together, than may be listed.
    #[error(
        "the owner has more than {limit} tags, which cannot be listed; each can be pulled, pushed and deleted by its name"
    )]
    TooManyTags {
        /// Maximum number of tags.
        limit: usize,
    },
    /// The hash of the PDS's bytes is not the digest.
    #[error("the owner's PDS has other bytes under this digest")]
    WrongBytes,
    /// The PDS has no proof of the record.
    #[error("the owner's PDS has no proof of the record")]
    Unproven,
    /// The PDS returned an invalid proof of the record.
    #[error("what the owner's PDS gives for a proof of the record is none: {0}")]
    Proof(RepoError),
    /// Another program has written the record since it was read.
    #[error("the owner's records change at this moment")]
    Changed,
}

impl ReposError {
    /// Returns the time for which the PDS takes nothing, as it said.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Pds(error) => error.retry_after(),
            Self::Account(error) => error.retry_after(),
            Self::List(error) => error.retry_after(),
            _ => None,
        }
    }

    /// Whether the PDS's answer was larger than what was asked for may be.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::Pds(RemoteError::Unreachable(EgressError::TooLarge(_))))
    }

    /// Whether a write that failed with this error certainly wrote nothing.
    #[must_use]
    pub fn wrote_nothing(&self) -> bool {
        match self {
            Self::Changed => true,
            Self::Pds(error) | Self::Account(AccountsError::Pds(error)) => error.did_nothing(),
            _ => false,
        }
    }
}

impl From<identity::ResolveError> for ReposError {
    fn from(error: identity::ResolveError) -> Self {
        Self::Account(error.into())
    }
}

/// Longest manifest, in bytes; a PDS takes blobs of 5 MiB.
pub const MAX_MANIFEST_BYTES: usize = 5 * 1024 * 1024;
/// Pages of 100 records that are searched for one blob.
const MAX_PAGES: usize = 50;

/// Returns the SHA-256 digest of `bytes`.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(sha2::Sha256::digest(bytes).into())
}

/// Client of accounts' atproto repositories.
pub struct Repos {
    remote: Remote,
    resolver: Resolver,
    sessions: Arc<Sessions>,
    recent: Recent,
    index: Arc<Index>,
}

impl Repos {
    /// Returns the origin of an account's PDS, which many accounts may share.
    ///
    /// # Errors
    /// [`ReposError::Account`] when the account's DID document names no PDS that may be called.
    pub fn pds_host(&self, account: &Account) -> Result<String, ReposError> {
        let url = self.resolver.pds_method(account, &nsid::GET_RECORD)?.to_string();
        Ok(url.split("/xrpc/").next().unwrap_or_default().to_owned())
    }

    /// Returns a client; each record that it writes is also given to `index`.
    #[must_use]
    pub fn new(remote: Remote, resolver: Resolver, sessions: &Arc<Sessions>, index: &Arc<Index>) -> Self {
        let (sessions, index) = (Arc::clone(sessions), Arc::clone(index));
        Self { remote, resolver, sessions, recent: Recent::default(), index }
    }

    /// Returns the record at a key, or an empty [`Seen`] when there is none.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn record(&self, account: &Account, collection: Collection, key: &RecordKey) -> Result<Seen, ReposError> {
        let parameters = &[("repo", account.did.as_str()), ("collection", &collection), ("rkey", key.as_str())];
        match self.query::<RecordView>(account, &nsid::GET_RECORD, parameters).await {
            Ok(view) => Ok(Seen::of(view)),
            Err(ReposError::Pds(error)) if error.is_named(name::RECORD_NOT_FOUND) => Ok(Seen::default()),
            Err(error) => Err(error),
        }
    }

    /// Calls a public query of the account's PDS.
    async fn query<T: DeserializeOwned + Send>(
        &self,
        account: &Account,
        method: &str,
        parameters: &[(&str, &str)],
    ) -> Result<T, ReposError> {
        let ask = |url: String| async move { self.remote.query(&url, parameters, Credential::None).await }.boxed();
        self.ask(account, method, ask).await
    }

    /// Calls a public query of the account's PDS that returns bytes, `max` at most.
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

    /// Calls a method of the account's PDS, and on an error that of the PDS to which the account has moved. `ask` is
    /// given the method's URL.
    async fn ask<'c, T>(
        &self,
        account: &Account,
        method: &str,
        ask: impl Fn(String) -> BoxFuture<'c, Result<T, RemoteError>>,
    ) -> Result<T, ReposError> {
        let answer = ask(self.resolver.pds_method(account, method)?.to_string()).await;
        let moved = self.moved(account, answer.as_ref().err()).await;
        let answer = match &moved {
            Some(moved) => ask(self.resolver.pds_method(moved, method)?.to_string()).await,
            None => answer,
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.failed(moved.as_deref().unwrap_or(account), method, error).await),
        }
    }

    /// Resolves the account again after `error`; `None` when its PDS is still the same, or the error does not depend on
    /// the PDS.
    async fn moved(&self, account: &Account, error: Option<&RemoteError>) -> Option<Arc<Account>> {
        let may_be_elsewhere = error.is_some_and(RemoteError::may_be_elsewhere);
        if may_be_elsewhere { self.resolver.moved(account, Pool::Strangers).await } else { None }
    }

    /// Returns the record of a manifest; `None` when there is none, or it is not valid.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn manifest(&self, account: &Account, digest: &Digest) -> Result<Option<ManifestRecord>, ReposError> {
        let record = self.record(account, nsid::MANIFEST, &manifest_key(digest)).await?;
        Ok(record.value.and_then(|value| serde_json::from_value::<Manifest>(value).ok()).map(ManifestRecord::of))
    }

    /// Returns the digest of the manifest that a tag points to.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn tagged(&self, account: &Account, name: &ImageName, tag: &Tag) -> Result<Option<Digest>, ReposError> {
        let record = self.record(account, nsid::TAG, &TagRecord::key_of(name, tag)).await?;
        let record = record.value.as_ref().and_then(TagRecord::read);
        Ok(record.filter(|record| record.repository == name.as_str()).and_then(|record| record.digest(&account.did)))
    }

    /// Returns the bytes of a manifest, verified by their hash; `None` when the PDS has none.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn bytes(&self, account: &Account, digest: &Digest) -> Result<Option<Bytes>, ReposError> {
        self.blob(account, digest, MAX_MANIFEST_BYTES).await
    }

    /// Returns a blob of the account's PDS, verified by its hash, of `max` bytes at most; `None` when the PDS has none.
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

    /// Returns a manifest of the account that has this blob as its config or as a layer, in another hold than those in
    /// `except`.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn manifest_with(
        &self,
        account: &Account,
        blob: &Digest,
        except: &[HoldId],
    ) -> Result<Option<ManifestRecord>, ReposError> {
        let mut found = None;
        let looking = self.each_record(account, nsid::MANIFEST, MAX_PAGES, |view| {
            let record = serde_json::from_value(view.value).ok().map(ManifestRecord::of);
            let is_elsewhere = |record: &ManifestRecord| record.hold.as_ref().is_some_and(|at| !except.contains(at));
            found = record.filter(|record| record.blobs.contains(blob) && is_elsewhere(record));
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match listing::in_time(looking).await {
            // Records behind the last page are not searched.
            Ok(()) | Err(ReposError::TooMany) => Ok(found),
            Err(error) => Err(error),
        }
    }
}
