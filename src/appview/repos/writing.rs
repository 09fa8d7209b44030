//! Writing of records: each write is a compare-and-swap with the version that was read before, so that concurrent
//! writers do not undo each other's writes.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::{Repos, ReposError, digest_of};
use crate::accounts::{AccountsError, Login};
use crate::remote::AccessToken;
use atproto::lexicon::error as name;
use atproto::lexicon::nsid::{self, Collection};
use atproto::lexicon::{DeleteRecord, PutRecord, RecordResult, RecordView, Swap, TagRecord};
use atproto::repo::cid;
use atproto::syntax::{Datetime, Did, Digest, RecordKey};
use server::identity::Account;

/// Attempts to rewrite a record that other programs write at the same time.
pub const SWAPS: usize = 3;

/// The version of a record that was read or written: its value and CID, or that there is none.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The record, if there was one.
    pub value: Option<Value>,
    /// Its CID, if the PDS returned one.
    cid: Option<String>,
}

/// The versions of a record before and after a write of this program.
#[derive(Debug)]
pub struct Replacement {
    /// The version that was replaced.
    pub before: Seen,
    /// The version that was written.
    pub after: Seen,
}

impl Seen {
    pub(super) fn of(view: RecordView) -> Self {
        Self { value: Some(view.value), cid: view.cid }
    }

    /// Returns the digest of the manifest that the record points to, if it is a tag of this account.
    #[must_use]
    pub fn tagged(&self, account: &Did) -> Option<Digest> {
        TagRecord::read(self.value.as_ref()?)?.digest(account)
    }

    /// Returns the precondition of a write in its place.
    fn swap(&self) -> Swap<String> {
        match (&self.cid, &self.value) {
            (Some(cid), _) => Swap::Cid(cid.clone()),
            // A PDS may leave out the CID of a record.
            (None, Some(_)) => Swap::Any,
            (None, None) => Swap::Absent,
        }
    }
}

impl Repos {
    /// Uploads a blob. Returns the blob object that a record must contain, for the PDS deletes blobs that no record
    /// has.
    ///
    /// # Errors
    /// [`ReposError::WrongBytes`] when the PDS returns another CID than that of the bytes.
    pub async fn upload_blob(&self, login: &Login, media_type: &str, bytes: &Bytes) -> Result<Value, ReposError> {
        let call = |url: String, access: AccessToken| -> BoxFuture<'_, _> {
            Box::pin(async move { self.remote.upload::<Value>(&url, media_type, bytes.clone(), &access).await })
        };
        let mut output = self.sessions.with_access(login, nsid::UPLOAD_BLOB, call).await?;
        let blob = output.get_mut("blob").map(Value::take).unwrap_or_default();
        // Pulls request the blob by this CID.
        if blob.pointer("/ref/$link").and_then(Value::as_str) == Some(&*cid::raw(&digest_of(bytes)).to_string()) {
            Ok(blob)
        } else {
            Err(ReposError::WrongBytes)
        }
    }

    /// Writes a record over the version `seen`; returns the new version.
    ///
    /// # Errors
    /// [`ReposError::Changed`] when the PDS has another version, else as [`Repos::upload_blob`].
    pub async fn put(
        &self,
        login: &Login,
        collection: Collection,
        key: &RecordKey,
        record: Value,
        seen: &Seen,
    ) -> Result<Seen, ReposError> {
        let input = &PutRecord {
            repo: login.account.to_string(),
            collection: collection.as_str().to_owned(),
            rkey: key.as_str().to_owned(),
            record,
            swap_record: seen.swap(),
            swap_commit: None,
        };
        let call = |url: String, access: AccessToken| -> BoxFuture<'_, _> {
            Box::pin(async move { self.remote.procedure::<RecordResult>(&url, input, &access).await })
        };
        let writing = self.index.begin_write(&login.account);
        let written = self.sessions.with_access(login, nsid::PUT_RECORD, call).await;
        self.recent.written(&login.account);
        let written = written.map_err(of_write)?;
        self.index.written(&writing, collection, key, Some(&input.record)).await;
        Ok(Seen { value: Some(input.record.clone()), cid: written.cid })
    }

    /// Reads a record, or begins a new one, applies `edit` and writes it back; fields that `edit` leaves alone are
    /// kept.
    ///
    /// # Errors
    /// As [`Repos::put`]; [`ReposError::Changed`] when other programs have written the record during each of the
    /// attempts.
    pub async fn rewrite(
        &self,
        login: &Login,
        account: &Account,
        collection: Collection,
        key: &RecordKey,
        now: &Datetime,
        edit: impl Fn(&mut Map<String, Value>),
    ) -> Result<(), ReposError> {
        for _ in 0..SWAPS {
            let seen = self.record(account, collection, key).await?;
            let mut record = match seen.value.clone() {
                Some(Value::Object(record)) => record,
                _ => [("createdAt".to_owned(), json!(now))].into_iter().collect(),
            };
            record.insert("$type".into(), json!(collection.as_str()));
            record.insert("updatedAt".into(), json!(now));
            edit(&mut record);
            match self.put(login, collection, key, Value::Object(record), &seen).await {
                Err(ReposError::Changed) => {}
                written => return written.map(drop),
            }
        }
        Err(ReposError::Changed)
    }

    /// Deletes the version `seen` of a record. A record that is already gone is no error.
    ///
    /// # Errors
    /// As [`Repos::put`].
    pub async fn delete(
        &self,
        login: &Login,
        collection: Collection,
        key: &RecordKey,
        seen: &Seen,
    ) -> Result<(), ReposError> {
        let input = &DeleteRecord {
            repo: login.account.to_string(),
            collection: collection.as_str().to_owned(),
            rkey: key.as_str().to_owned(),
            swap_record: seen.cid.clone(),
            swap_commit: None,
        };
        let call = |url: String, access: AccessToken| -> BoxFuture<'_, _> {
            Box::pin(async move { self.remote.procedure::<Value>(&url, input, &access).await })
        };
        let writing = self.index.begin_write(&login.account);
        let deleted = self.sessions.with_access(login, nsid::DELETE_RECORD, call).await;
        self.recent.written(&login.account);
        deleted.map_err(of_write)?;
        self.index.written(&writing, collection, key, None).await;
        Ok(())
    }

    /// Notes that there is no record at a key: the answer to its deletion may have been lost.
    pub async fn absent(&self, account: &Account, collection: Collection, key: &RecordKey) {
        self.recent.written(&account.did);
        let writing = self.index.begin_write(&account.did);
        self.index.written(&writing, collection, key, None).await;
    }

    /// Undoes a write of this program. A later write of another program is kept.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn restore(
        &self,
        login: &Login,
        collection: Collection,
        key: &RecordKey,
        replacement: &Replacement,
    ) -> Result<(), ReposError> {
        let Replacement { before, after } = replacement;
        let restored = match &before.value {
            Some(record) => self.put(login, collection, key, record.clone(), after).await.map(drop),
            None => self.delete(login, collection, key, after).await,
        };
        match restored {
            Err(ReposError::Changed) => Ok(()),
            outcome => outcome,
        }
    }
}

fn of_write(error: AccountsError) -> ReposError {
    match error {
        AccountsError::Pds(error) if error.is_named(name::INVALID_SWAP) => ReposError::Changed,
        error => error.into(),
    }
}
