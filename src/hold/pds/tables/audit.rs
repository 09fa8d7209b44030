//! Queries that go through all rows of the repository, to verify them, and statements that replace them.

use rusqlite::{Row, params};

use atproto::repo::Cid;
use atproto::syntax::Tid;
use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

/// A block with the number of its row, which can be marked in a set of bits.
#[derive(Clone, Debug)]
pub struct BlockRow {
    /// The row number: positive, and nearly without gaps in a repository that only grew.
    pub number: i64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Returns a block with its row number.
///
/// # Errors
/// [`StorageError`], as for every function here.
pub fn block_row(read: &Read<'_>, cid: &Cid) -> Result<Option<BlockRow>, StorageError> {
    let sql = "SELECT number, bytes FROM block WHERE cid = ?1";
    read.first(sql, [cid.to_bytes()], |row| Ok(BlockRow { number: row.get(0)?, bytes: row.get(1)? }))
}

/// Calls `visit` with the row number and CID of every block; `None` for a CID that is not valid.
///
/// # Errors
/// [`StorageError`], or the error of `visit`.
pub fn each_block_name<E: From<StorageError>>(
    read: &Read<'_>,
    mut visit: impl FnMut(i64, Option<Cid>) -> Result<(), E>,
) -> Result<(), E> {
    let sql = "SELECT number, cid FROM block ORDER BY number";
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?));
    read.each(sql, [], row, |(number, cid)| visit(number, Cid::try_from(cid).ok()))
}

/// Deletes the blocks for whose row number `keep` is false.
///
/// # Errors
/// [`StorageError`]
pub fn retain_blocks(write: &Write<'_>, keep: impl Fn(i64) -> bool) -> Result<(), StorageError> {
    let delete = |number: i64| match keep(number) {
        true => Ok(()),
        // SQLite permits it of the row that a query is at. <https://www.sqlite.org/isolation.html>
        false => write.execute("DELETE FROM block WHERE number = ?1", [number]).map(drop),
    };
    write.each("SELECT number FROM block ORDER BY number", [], |row| row.get(0), delete)
}

/// Calls `visit` with the collection and the key of every record in the index.
///
/// # Errors
/// [`StorageError`], or the error of `visit`.
pub fn each_record_name<E: From<StorageError>>(
    read: &Read<'_>,
    mut visit: impl FnMut(String, String) -> Result<(), E>,
) -> Result<(), E> {
    let sql = "SELECT collection, rkey FROM record ORDER BY collection, rkey";
    read.each(sql, [], |row| Ok((row.get(0)?, row.get(1)?)), |(collection, rkey)| visit(collection, rkey))
}

/// Calls `visit` with the collection and the key of every record that refers to a blob, once for each reference.
///
/// # Errors
/// [`StorageError`], or the error of `visit`.
pub fn each_blob_reference<E: From<StorageError>>(
    read: &Read<'_>,
    mut visit: impl FnMut(String, String) -> Result<(), E>,
) -> Result<(), E> {
    let sql = "SELECT collection, rkey FROM blob_reference ORDER BY collection, rkey";
    read.each(sql, [], |row| Ok((row.get(0)?, row.get(1)?)), |(collection, rkey)| visit(collection, rkey))
}

/// Calls `visit` with the CID and the bytes of every blob of a record whose bytes are here.
///
/// # Errors
/// [`StorageError`], or the error of `visit`.
pub fn each_record_blob<E: From<StorageError>>(
    read: &Read<'_>,
    mut visit: impl FnMut(Vec<u8>, Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let sql = "SELECT cid, bytes FROM record_blob WHERE bytes IS NOT NULL";
    read.each(sql, [], |row| Ok((row.get(0)?, row.get(1)?)), |(cid, bytes)| visit(cid, bytes))
}

/// Returns the row number of a block.
///
/// # Errors
/// [`StorageError`].
pub fn block_number(read: &Read<'_>, cid: &Cid) -> Result<Option<i64>, StorageError> {
    read.first("SELECT number FROM block WHERE cid = ?1", [cid.to_bytes()], |row| row.get(0))
}

/// Returns the CID of a record in the index, as raw bytes, and the row number of its block.
///
/// # Errors
/// [`StorageError`].
pub fn indexed_record(read: &Read<'_>, collection: &str, rkey: &str) -> Result<Option<(Vec<u8>, i64)>, StorageError> {
    let sql = "SELECT cid, block FROM record WHERE collection = ?1 AND rkey = ?2";
    read.first(sql, [collection, rkey], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Returns the number of blocks.
///
/// # Errors
/// [`StorageError`].
pub fn count_blocks(read: &Read<'_>) -> Result<u64, StorageError> {
    count(read, "SELECT count(*) FROM block")
}

/// Returns the number of records in the index.
///
/// # Errors
/// [`StorageError`].
pub fn count_records(read: &Read<'_>) -> Result<u64, StorageError> {
    count(read, "SELECT count(*) FROM record")
}

fn count(read: &Read<'_>, sql: &str) -> Result<u64, StorageError> {
    Ok(read.first(sql, [], |row| row.number(0))?.unwrap_or_default())
}

/// Deletes all blocks, the index of records, and the references to blobs. The head, events, unpublished values and
/// blobs stay.
///
/// # Errors
/// [`StorageError`], as for every function here.
pub fn clear_repository(write: &Write<'_>) -> Result<(), StorageError> {
    write.execute("DELETE FROM blob_reference", [])?;
    write.execute("DELETE FROM record", [])?;
    write.execute("DELETE FROM block", []).map(drop)
}

/// Deletes blobs that no record refers to, but for those uploaded for a future record.
///
/// # Errors
/// [`StorageError`].
pub fn delete_blobs_without_reference(write: &Write<'_>) -> Result<(), StorageError> {
    let sql = "DELETE FROM record_blob
               WHERE waiting_since_us IS NULL AND cid NOT IN (SELECT cid FROM blob_reference)";
    write.execute(sql, []).map(drop)
}

/// Adds a block. Returns whether it is new.
///
/// # Errors
/// [`StorageError`].
pub fn add_block(write: &Write<'_>, cid: &Cid, rev: &Tid, bytes: &[u8]) -> Result<bool, StorageError> {
    let sql = "INSERT INTO block (cid, rev, bytes) VALUES (?1, ?2, ?3) ON CONFLICT (cid) DO NOTHING";
    Ok(write.execute(sql, params![cid.to_bytes(), rev.as_str(), bytes])? == 1)
}
