//! Rows of the signed repository. Their meaning is defined in the room `pds`.

use rusqlite::{Row, named_params, params};

use atproto::repo::Cid;
use atproto::syntax::{Did, RecordKey, Tid};
use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

/// The head of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoHead {
    /// The DID of the repository.
    pub did: Did,
    /// The newest commit.
    pub commit: Cid,
    /// The root of its tree.
    pub data: Cid,
    /// The revision of the newest commit.
    pub rev: Tid,
    /// The greatest sequence number ever given to an event.
    pub last_seq: i64,
}

/// A record with its bytes.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    /// Its key.
    pub rkey: RecordKey,
    /// Its CID.
    pub cid: Cid,
    /// Its DAG-CBOR.
    pub bytes: Vec<u8>,
}

/// A query for a page of a collection.
#[derive(Clone, Debug)]
pub struct PageQuery {
    /// The collection.
    pub collection: String,
    /// Only keys after this one, in the order of the query.
    pub cursor: Option<String>,
    /// The largest number of records.
    pub limit: u32,
    /// Whether the order is by ascending keys, instead of descending.
    pub ascending: bool,
}

/// Returns the head; `None` before the first commit.
///
/// # Errors
/// [`StorageError`], as for every function here.
pub fn repo_head(read: &Read<'_>) -> Result<Option<RepoHead>, StorageError> {
    let sql = "SELECT did, commit_cid, data_cid, rev, last_seq FROM repo WHERE id = 1";
    read.first(sql, [], |row| {
        Ok(RepoHead {
            did: row.parse(0, Did::parse)?,
            commit: cid(row, 1)?,
            data: cid(row, 2)?,
            rev: row.parse(3, Tid::parse)?,
            last_seq: row.get(4)?,
        })
    })
}

/// Returns a block's bytes.
///
/// # Errors
/// [`StorageError`].
pub fn block(read: &Read<'_>, cid: &Cid) -> Result<Option<Vec<u8>>, StorageError> {
    read.first("SELECT bytes FROM block WHERE cid = ?1", [cid.to_bytes()], |row| row.get(0))
}

/// Calls `visit` with every block after the revision `since`; with all blocks for `None`.
///
/// # Errors
/// [`StorageError`], or the error of `visit`.
pub fn each_block<E: From<StorageError>>(
    read: &Read<'_>,
    since: Option<&Tid>,
    mut visit: impl FnMut(Cid, Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    // All blocks are read in the order of the file; newer ones by their index, at the cost of the new ones only.
    let sql = match since {
        None => "SELECT cid, bytes FROM block ORDER BY number",
        Some(_) => "SELECT cid, bytes FROM block WHERE rev > ?1 ORDER BY rev",
    };
    let params = rusqlite::params_from_iter(since.map(Tid::as_str));
    read.each(sql, params, |row| Ok((cid(row, 0)?, row.get(1)?)), |(cid, bytes)| visit(cid, bytes))
}

/// Returns a record's key, CID and bytes.
///
/// # Errors
/// [`StorageError`].
pub fn record(read: &Read<'_>, collection: &str, rkey: &str) -> Result<Option<StoredRecord>, StorageError> {
    let sql = "SELECT rkey, record.cid, bytes FROM record JOIN block ON number = block
               WHERE collection = ?1 AND rkey = ?2";
    read.first(sql, [collection, rkey], stored)
}

/// Returns a page of a collection.
///
/// # Errors
/// [`StorageError`].
pub fn records(read: &Read<'_>, query: &PageQuery) -> Result<Vec<StoredRecord>, StorageError> {
    let sql = if query.ascending {
        "SELECT rkey, record.cid, bytes FROM record JOIN block ON number = block
         WHERE collection = :collection AND rkey > coalesce(:cursor, '') ORDER BY rkey LIMIT :limit"
    } else {
        // U+007F is above every character of a record key.
        "SELECT rkey, record.cid, bytes FROM record JOIN block ON number = block
         WHERE collection = :collection AND rkey < coalesce(:cursor, char(127)) ORDER BY rkey DESC LIMIT :limit"
    };
    let params = named_params! { ":collection": query.collection, ":cursor": query.cursor, ":limit": query.limit };
    read.all(sql, params, stored)
}

/// Returns the number of records in a collection.
///
/// # Errors
/// [`StorageError`].
pub fn record_count(read: &Read<'_>, collection: &str) -> Result<u64, StorageError> {
    let sql = "SELECT count(*) FROM record WHERE collection = ?1";
    Ok(read.first(sql, [collection], |row| row.number(0))?.unwrap_or(0))
}

/// Returns the names of all collections that have records, in order.
///
/// # Errors
/// [`StorageError`].
pub fn collections(read: &Read<'_>) -> Result<Vec<String>, StorageError> {
    // Skips from one collection to the next by the index: the cost does not grow with the number of records.
    let sql = "WITH RECURSIVE name(value) AS (
                   SELECT min(collection) FROM record
                   UNION ALL
                   SELECT (SELECT min(collection) FROM record WHERE collection > value) FROM name WHERE value IS NOT NULL
               ) SELECT value FROM name WHERE value IS NOT NULL";
    read.all(sql, [], |row| row.get(0))
}

/// Whether any record has this CID.
///
/// # Errors
/// [`StorageError`].
pub fn is_record(read: &Read<'_>, cid: &Cid) -> Result<bool, StorageError> {
    let found = read.first("SELECT 1 FROM record WHERE cid = ?1 LIMIT 1", [cid.to_bytes()], |_| Ok(()))?;
    Ok(found.is_some())
}

/// Returns an unpublished value by its name.
///
/// # Errors
/// [`StorageError`].
pub fn meta(read: &Read<'_>, name: &str) -> Result<Option<String>, StorageError> {
    read.first("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))
}

/// Replaces the head.
///
/// # Errors
/// [`StorageError`], as for every function here.
pub fn put_repo_head(write: &Write<'_>, head: &RepoHead) -> Result<(), StorageError> {
    let sql = "INSERT INTO repo (id, did, commit_cid, data_cid, rev, last_seq) VALUES (1, ?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (id) DO UPDATE SET commit_cid = ?2, data_cid = ?3, rev = ?4, last_seq = ?5";
    let params =
        params![head.did.as_str(), head.commit.to_bytes(), head.data.to_bytes(), head.rev.as_str(), head.last_seq];
    write.execute(sql, params).map(drop)
}

/// Adds a block; an existing one keeps its revision.
///
/// # Errors
/// [`StorageError`].
pub fn put_block(write: &Write<'_>, cid: &Cid, rev: &Tid, bytes: &[u8]) -> Result<(), StorageError> {
    let sql = "INSERT INTO block (cid, rev, bytes) VALUES (?1, ?2, ?3) ON CONFLICT (cid) DO NOTHING";
    write.execute(sql, params![cid.to_bytes(), rev.as_str(), bytes]).map(drop)
}

/// Deletes a block.
///
/// # Errors
/// [`StorageError`].
pub fn delete_block(write: &Write<'_>, cid: &Cid) -> Result<(), StorageError> {
    write.execute("DELETE FROM block WHERE cid = ?1", [cid.to_bytes()]).map(drop)
}

/// Adds a record to the index, or changes its CID. The block must be stored.
///
/// # Errors
/// [`StorageError`].
pub fn put_record(write: &Write<'_>, collection: &str, rkey: &str, cid: &Cid) -> Result<(), StorageError> {
    let sql = "INSERT INTO record (collection, rkey, cid, block)
               VALUES (?1, ?2, ?3, (SELECT number FROM block WHERE cid = ?3))
               ON CONFLICT (collection, rkey) DO UPDATE SET cid = excluded.cid, block = excluded.block";
    write.execute(sql, params![collection, rkey, cid.to_bytes()]).map(drop)
}

/// Deletes a record from the index.
///
/// # Errors
/// [`StorageError`].
pub fn delete_record(write: &Write<'_>, collection: &str, rkey: &str) -> Result<(), StorageError> {
    write.execute("DELETE FROM record WHERE collection = ?1 AND rkey = ?2", [collection, rkey]).map(drop)
}

/// Sets an unpublished value.
///
/// # Errors
/// [`StorageError`].
pub fn put_meta(write: &Write<'_>, name: &str, value: &str) -> Result<(), StorageError> {
    let sql = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2";
    write.execute(sql, [name, value]).map(drop)
}

pub(super) fn cid(row: &Row<'_>, column: usize) -> rusqlite::Result<Cid> {
    row.parse_bytes(column, |bytes| Cid::try_from(bytes))
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredRecord> {
    Ok(StoredRecord { rkey: row.parse(0, RecordKey::parse)?, cid: cid(row, 1)?, bytes: row.get(2)? })
}
