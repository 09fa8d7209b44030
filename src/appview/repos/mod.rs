//! The records of images in their owners' repositories: manifests and tags, and the bytes of manifests beside them.
//!
//! What is read comes from the account's own PDS, and anybody may write anything there: a manifest counts by its hash, and
//! of a record only what has the right form.

mod listing;
mod recent;
mod records;

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::StatusCode;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::accounts::{AccountsError, Login, Sessions};
use crate::remote::{AccessToken, Credential, Remote, RemoteError};
use atproto::lexicon::nsid::{self, Collection};
use atproto::lexicon::{Manifest, PutRecord, RecordResult, RecordView};
use atproto::repo::cid;
use atproto::syntax::{Digest, ImageName, RecordKey, Tag};
use server::identity::{self, Account, Resolver};

use recent::Recent;
pub use records::{ManifestRecord, TagRecord, manifest_key, tag_key};

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
}

impl Repos {
    /// By these means.
    #[must_use]
    pub fn new(remote: Remote, resolver: Resolver, sessions: Arc<Sessions>) -> Self {
        Self { remote, resolver, sessions, recent: Recent::default() }
    }

    /// A record; `None` when there is none.
    ///
    /// # Errors
    /// [`ReposError`]; so below.
    pub async fn record(
        &self,
        account: &Account,
        collection: Collection,
        key: &RecordKey,
    ) -> Result<Option<Value>, ReposError> {
        let url = self.resolver.pds_method(account, &nsid::GET_RECORD)?.to_string();
        let parameters = [("repo", account.did.as_str()), ("collection", &collection), ("rkey", key.as_str())];
        match self.remote.query::<RecordView>(&url, &parameters, Credential::None).await {
            Ok(view) => Ok(Some(view.value)),
            Err(error) if error.is_named("RecordNotFound") => Ok(None),
            Err(error) => Err(ReposError::Pds(error)),
        }
    }

    /// What is recorded of a manifest.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn manifest(&self, account: &Account, digest: &Digest) -> Result<Option<ManifestRecord>, ReposError> {
        let record = self.record(account, nsid::MANIFEST, &manifest_key(digest)).await?;
        Ok(record.and_then(|value| serde_json::from_value::<Manifest>(value).ok()).map(ManifestRecord::of))
    }

    /// The manifest that a tag leads to.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn tagged(&self, account: &Account, name: &ImageName, tag: &Tag) -> Result<Option<Digest>, ReposError> {
        let record = self.record(account, nsid::TAG, &tag_key(name, tag)).await?;
        let record = record.and_then(|value| serde_json::from_value::<TagRecord>(value).ok());
        Ok(record.filter(|record| record.repository == name.as_str()).and_then(|record| record.digest(&account.did)))
    }

    /// The bytes of a manifest, which have this hash.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn bytes(&self, account: &Account, digest: &Digest) -> Result<Option<Bytes>, ReposError> {
        let url = self.resolver.pds_method(account, &nsid::SYNC_GET_BLOB)?.to_string();
        let cid = cid::raw(digest).to_string();
        let parameters = [("did", account.did.as_str()), ("cid", cid.as_str())];
        match self.remote.bytes(&url, &parameters, MAX_MANIFEST_BYTES).await {
            Ok(bytes) if digest_of(&bytes) == *digest => Ok(Some(bytes)),
            Ok(_) => Err(ReposError::WrongBytes),
            Err(RemoteError::Refused { status: StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(ReposError::Pds(error)),
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

    /// Puts bytes beside the records; answers what a record must have of them, for else they go again.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn upload_blob(&self, login: &Login, media_type: &str, bytes: &Bytes) -> Result<Value, ReposError> {
        let call = |url: String, access: AccessToken| -> BoxFuture<'_, _> {
            Box::pin(async move { self.remote.upload::<Value>(&url, media_type, bytes.clone(), &access).await })
        };
        let mut output = self.sessions.with_access(login, nsid::UPLOAD_BLOB, call).await?;
        Ok(output["blob"].take())
    }

    /// Writes a record, in the place of the one that is there.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn put(
        &self,
        login: &Login,
        collection: Collection,
        key: &RecordKey,
        record: Value,
    ) -> Result<(), ReposError> {
        let input = &PutRecord {
            repo: login.account.to_string(),
            collection: collection.as_str().to_owned(),
            rkey: key.as_str().to_owned(),
            record,
            swap_record: None,
            swap_commit: None,
        };
        let call = |url: String, access: AccessToken| -> BoxFuture<'_, _> {
            Box::pin(async move { self.remote.procedure::<RecordResult>(&url, input, &access).await })
        };
        let written = self.sessions.with_access(login, nsid::PUT_RECORD, call).await;
        self.recent.written(&login.account);
        Ok(written.map(drop)?)
    }

    /// Deletes a record, if it is there.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn delete(&self, login: &Login, collection: Collection, key: &RecordKey) -> Result<(), ReposError> {
        let input = &json!({ "repo": login.account, "collection": collection.as_str(), "rkey": key });
        let call = |url: String, access: AccessToken| -> BoxFuture<'_, _> {
            Box::pin(async move { self.remote.procedure::<Value>(&url, input, &access).await })
        };
        let deleted = self.sessions.with_access(login, nsid::DELETE_RECORD, call).await;
        self.recent.written(&login.account);
        Ok(deleted.map(drop)?)
    }
}
