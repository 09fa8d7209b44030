//! Rows of blobs that records refer to, and of the references. The rules are in the room `pds`.

use rusqlite::{named_params, params};

use super::repo::cid;
use atproto::repo::Cid;
use atproto::syntax::Tid;
use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

/// A query for a page of the blobs that records refer to.
#[derive(Clone, Debug)]
pub struct BlobsQuery {
    /// Only blobs of records that were written after this revision.
    pub since: Option<Tid>,
    /// Only CIDs above this one.
    pub cursor: Option<Cid>,
    /// The largest number of CIDs.
    pub limit: u32,
}

/// Returns the media type of a blob that a record refers to, if its bytes are here.
///
/// # Errors
/// [`StorageError`], as for every function here.
pub fn referenced_blob_type(read: &Read<'_>, cid: &Cid) -> Result<Option<String>, StorageError> {
    let sql = "SELECT mime_type FROM record_blob
               WHERE cid = ?1 AND waiting_since_us IS NULL AND bytes IS NOT NULL";
    read.first(sql, [cid.to_bytes()], |row| row.get(0))
}

/// Returns the bytes of a blob, if they are here.
///
/// # Errors
/// [`StorageError`].
pub fn record_blob_bytes(read: &Read<'_>, cid: &Cid) -> Result<Option<Vec<u8>>, StorageError> {
    Ok(read.first("SELECT bytes FROM record_blob WHERE cid = ?1", [cid.to_bytes()], |row| row.get(0))?.flatten())
}

/// Returns the media type and size in bytes of a blob, if its bytes are here.
///
/// # Errors
/// [`StorageError`].
pub fn blob_facts(read: &Read<'_>, cid: &Cid) -> Result<Option<(String, u64)>, StorageError> {
    let sql = "SELECT mime_type, length(bytes) FROM record_blob WHERE cid = ?1 AND bytes IS NOT NULL";
    read.first(sql, [cid.to_bytes()], |row| Ok((row.get(0)?, row.number(1)?)))
}

/// Returns the number of blobs uploaded for a future record.
///
/// # Errors
/// [`StorageError`].
pub fn waiting_blobs(read: &Read<'_>) -> Result<u64, StorageError> {
    let sql = "SELECT count(*) FROM record_blob WHERE waiting_since_us IS NOT NULL";
    Ok(read.first(sql, [], |row| row.number(0))?.unwrap_or(0))
}

/// Returns the blobs that a record refers to.
///
/// # Errors
/// [`StorageError`].
pub fn blobs_of_record(read: &Read<'_>, collection: &str, rkey: &str) -> Result<Vec<Cid>, StorageError> {
    let sql = "SELECT cid FROM blob_reference WHERE collection = ?1 AND rkey = ?2";
    read.all(sql, [collection, rkey], |row| cid(row, 0))
}

/// Returns blobs that records refer to, also those whose bytes are not here, in the order of their CIDs' bytes.
///
/// # Errors
/// [`StorageError`].
pub fn list_blobs(read: &Read<'_>, query: &BlobsQuery) -> Result<Vec<Cid>, StorageError> {
    let sql = "SELECT DISTINCT cid FROM blob_reference
               WHERE cid > coalesce(:cursor, x'') AND rev > coalesce(:since, '') ORDER BY cid LIMIT :limit";
    let params = named_params! {
        ":cursor": query.cursor.map(|cid| cid.to_bytes()),
        ":since": query.since.as_ref().map(Tid::as_str),
        ":limit": query.limit,
    };
    read.all(sql, params, |row| cid(row, 0))
}

/// Adds a blob for a future record. For one that is here without a record, the time starts again, with this media type;
/// for one that records refer to, only missing bytes are added. Returns whether the blob has no record.
///
/// # Errors
/// [`StorageError`], as for every function here.
pub fn put_record_blob(
    write: &Write<'_>,
    cid: &Cid,
    mime_type: &str,
    bytes: &[u8],
    now_us: u64,
) -> Result<bool, StorageError> {
    let cid = cid.to_bytes();
    let sql = "INSERT INTO record_blob (cid, mime_type, bytes, waiting_since_us) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (cid) DO UPDATE SET
                   mime_type = iif(waiting_since_us IS NULL, mime_type, ?2),
                   bytes = coalesce(bytes, ?3),
                   waiting_since_us = iif(waiting_since_us IS NULL, NULL, ?4)";
    write.execute(sql, params![cid, mime_type, bytes, now_us.cast_signed()])?;
    let sql = "SELECT waiting_since_us IS NOT NULL FROM record_blob WHERE cid = ?1";
    Ok(write.first(sql, [cid], |row| row.get(0))?.unwrap_or(false))
}

/// Changes a blob's media type.
///
/// # Errors
/// [`StorageError`].
pub fn set_blob_type(write: &Write<'_>, cid: &Cid, mime_type: &str) -> Result<(), StorageError> {
    write.execute("UPDATE record_blob SET mime_type = ?2 WHERE cid = ?1", params![cid.to_bytes(), mime_type]).map(drop)
}

/// Records that a record refers to a blob. A blob uploaded for it is no longer deleted by its age; one that is not here
/// gets a row without bytes.
///
/// # Errors
/// [`StorageError`].
pub fn put_blob_reference(
    write: &Write<'_>,
    cid: &Cid,
    mime_type: &str,
    collection: &str,
    rkey: &str,
    rev: &Tid,
) -> Result<(), StorageError> {
    let cid = cid.to_bytes();
    let sql = "INSERT INTO record_blob (cid, mime_type) VALUES (?1, ?2)
               ON CONFLICT (cid) DO UPDATE SET waiting_since_us = NULL";
    write.execute(sql, params![cid, mime_type])?;
    // A record may name the same blob twice.
    let sql = "INSERT OR REPLACE INTO blob_reference (cid, collection, rkey, rev) VALUES (?1, ?2, ?3, ?4)";
    write.execute(sql, params![cid, collection, rkey, rev.as_str()]).map(drop)
}

/// Deletes the references of a record.
///
/// # Errors
/// [`StorageError`].
pub fn delete_blob_references(write: &Write<'_>, collection: &str, rkey: &str) -> Result<(), StorageError> {
    write.execute("DELETE FROM blob_reference WHERE collection = ?1 AND rkey = ?2", [collection, rkey]).map(drop)
}

/// Deletes a blob unless a record refers to it.
///
/// # Errors
/// [`StorageError`].
pub fn delete_blob_without_reference(write: &Write<'_>, cid: &Cid) -> Result<(), StorageError> {
    let sql = "DELETE FROM record_blob WHERE cid = ?1 AND NOT EXISTS (SELECT 1 FROM blob_reference WHERE cid = ?1)";
    write.execute(sql, [cid.to_bytes()]).map(drop)
}

/// Sets the time of blobs without a record that were uploaded after `latest_us` to `now_us`.
///
/// # Errors
/// [`StorageError`].
pub fn bring_back_waiting_blobs(write: &Write<'_>, now_us: u64, latest_us: u64) -> Result<(), StorageError> {
    let sql = "UPDATE record_blob SET waiting_since_us = ?1 WHERE waiting_since_us > ?2";
    write.execute(sql, [now_us.cast_signed(), latest_us.cast_signed()]).map(drop)
}

/// Deletes blobs without a record that were uploaded before `before_us`. Returns their number.
///
/// # Errors
/// [`StorageError`].
pub fn delete_waiting_blobs(write: &Write<'_>, before_us: u64) -> Result<usize, StorageError> {
    write.execute("DELETE FROM record_blob WHERE waiting_since_us < ?1", [before_us.cast_signed()])
}
