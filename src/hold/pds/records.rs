//! Reads records, in a snapshot or within a write transaction.

use serde_json::Value;

use super::limits::MAX_NODE_KEYS;
use super::stored_blocks::StoredBlocks;
use super::{Carried, Pds, PdsError};
use crate::pds::tables;
use crate::pds::tables::{PageQuery, StoredRecord};
use atproto::repo::{Cid, cbor, mst};
use atproto::syntax::RecordKey;
use server::sqlite::Read;

/// A record as JSON.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its key.
    pub rkey: RecordKey,
    /// Its CID.
    pub cid: Cid,
    /// The record itself.
    pub value: Value,
}

/// A page of records, and the cursor of the next page.
#[derive(Clone, Debug)]
pub struct RecordPage {
    /// The records, in the order of the query.
    pub records: Vec<Record>,
    /// The last key, if more follow.
    pub cursor: Option<String>,
}

/// The records, as of one transaction.
pub struct Records<'r> {
    read: &'r Read<'r>,
}

impl<'r> Records<'r> {
    /// Returns the records of a snapshot that another room opened.
    #[must_use]
    pub fn new(read: &'r Read<'r>) -> Self {
        Self { read }
    }

    /// Returns the snapshot itself, for the tables of the caller's own room.
    #[must_use]
    pub fn snapshot(&self) -> &'r Read<'r> {
        self.read
    }

    /// Returns a record; `None` when it does not exist.
    ///
    /// # Errors
    /// [`PdsError::Storage`] or [`PdsError::Damaged`].
    pub fn get(&self, collection: &str, rkey: &str) -> Result<Option<Record>, PdsError> {
        tables::record(self.read, collection, rkey)?.map(decode).transpose()
    }

    /// Returns a page of a collection.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn page(&self, query: &PageQuery) -> Result<RecordPage, PdsError> {
        // One more than the limit tells whether a next page exists.
        let mut rows =
            tables::records(self.read, &PageQuery { limit: query.limit.saturating_add(1), ..query.clone() })?;
        let asked = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let more = rows.len() > asked;
        rows.truncate(asked);
        let cursor = rows.last().filter(|_| more).map(|row| row.rkey.to_string());
        Ok(RecordPage { records: rows.into_iter().map(decode).collect::<Result<_, _>>()?, cursor })
    }

    /// Returns the number of records in a collection.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub fn count(&self, collection: &str) -> Result<u64, PdsError> {
        Ok(tables::record_count(self.read, collection)?)
    }

    /// Returns the other keys, as `collection/rkey`, of the tree's node that a record is in, or would be.
    ///
    /// # Errors
    /// [`PdsError::CrowdedNode`] when there are so many that only the captain may add one; [`PdsError::Damaged`] or
    /// [`PdsError::Storage`].
    pub fn keys_beside(&self, collection: &str, rkey: &str) -> Result<Vec<String>, PdsError> {
        let Some(head) = tables::repo_head(self.read)? else { return Ok(Vec::new()) };
        let keys = mst::beside(&StoredBlocks(self.read), head.data, &format!("{collection}/{rkey}"))?;
        if keys.len() < MAX_NODE_KEYS { Ok(keys) } else { Err(PdsError::CrowdedNode) }
    }

    /// Returns the names of all collections that have records.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub fn collections(&self) -> Result<Vec<String>, PdsError> {
        Ok(tables::collections(self.read)?)
    }

    /// Returns an unpublished value by its name; `None` when it is not set.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub fn meta(&self, name: &str) -> Result<Option<String>, PdsError> {
        Ok(tables::meta(self.read, name)?)
    }
}

impl Pds {
    /// Runs `job` on a snapshot of the records.
    ///
    /// # Errors
    /// The error of `job`, or a storage error.
    pub async fn read<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&Records<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<PdsError> + Send + 'static,
    {
        let job = move |read: &Read<'_>| job(&Records::new(read)).map_err(Carried);
        self.inner.database.read(job).await.map_err(Carried::into_inner)
    }

    /// Returns the names of all collections that have records.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub async fn collections(&self) -> Result<Vec<String>, PdsError> {
        self.inner.database.read(|read| Ok(tables::collections(read)?)).await
    }
}

fn decode(row: StoredRecord) -> Result<Record, PdsError> {
    let value = cbor::to_json(&cbor::decode(&row.bytes)?);
    Ok(Record { rkey: row.rkey, cid: row.cid, value })
}
