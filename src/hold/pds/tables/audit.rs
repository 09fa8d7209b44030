//! Going through the repository's rows one by one, to compare them with each other, and replacing them all.

use rusqlite::{Row, params};

use atproto::repo::Cid;
use atproto::syntax::Tid;
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// A block with the number of its row, by which it can be marked in a set of bits.
#[derive(Clone, Debug)]
pub struct BlockRow {
    /// Its number: positive, and nearly without gaps in a repository that only grew.
    pub number: i64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A block with its row's number.
///
/// # Errors
/// [`StorageError`] as for every method here.
pub fn block_row(read: &Read<'_>, cid: &Cid) -> Result<Option<BlockRow>, StorageError> {
    let sql = "SELECT number, bytes FROM block WHERE cid = ?1";
    read.first(sql, [cid.to_bytes()], |row| Ok(BlockRow { number: row.get(0)?, bytes: row.get(1)? }))
}

/// Calls `visit` with the number and the CID of every block; without a CID where the row has none.
///
/// # Errors
/// [`StorageError`], or what `visit` answered.
pub fn each_block_name<E: From<StorageError>>(
    read: &Read<'_>,
    mut visit: impl FnMut(i64, Option<Cid>) -> Result<(), E>,
) -> Result<(), E> {
    let sql = "SELECT number, cid FROM block ORDER BY number";
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?));
    read.each(sql, [], row, |(number, cid)| visit(number, Cid::try_from(cid).ok()))
}

/// Calls `visit` with the collection and the key of every record in the index.
///
/// # Errors
/// [`StorageError`], or what `visit` answered.
pub fn each_record_name<E: From<StorageError>>(
    read: &Read<'_>,
    mut visit: impl FnMut(String, String) -> Result<(), E>,
) -> Result<(), E> {
    let sql = "SELECT collection, rkey FROM record ORDER BY collection, rkey";
    read.each(sql, [], |row| Ok((row.get(0)?, row.get(1)?)), |(collection, rkey)| visit(collection, rkey))
}

/// Calls `visit` with the collection and the key of every record that refers to a blob, once for each of them.
///
/// # Errors
/// [`StorageError`], or what `visit` answered.
pub fn each_blob_reference<E: From<StorageError>>(
    read: &Read<'_>,
    mut visit: impl FnMut(String, String) -> Result<(), E>,
) -> Result<(), E> {
    let sql = "SELECT collection, rkey FROM blob_reference ORDER BY collection, rkey";
    read.each(sql, [], |row| Ok((row.get(0)?, row.get(1)?)), |(collection, rkey)| visit(collection, rkey))
}

/// Calls `visit` with the CID and the bytes of every blob of a record that is here.
///
/// # Errors
/// [`StorageError`], or what `visit` answered.
pub fn each_record_blob<E: From<StorageError>>(
    read: &Read<'_>,
    mut visit: impl FnMut(Vec<u8>, Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let sql = "SELECT cid, bytes FROM record_blob WHERE bytes IS NOT NULL";
    read.each(sql, [], |row| Ok((row.get(0)?, row.get(1)?)), |(cid, bytes)| visit(cid, bytes))
}

/// The number of a block's row.
///
/// # Errors
/// [`StorageError`].
pub fn block_number(read: &Read<'_>, cid: &Cid) -> Result<Option<i64>, StorageError> {
    read.first("SELECT number FROM block WHERE cid = ?1", [cid.to_bytes()], |row| row.get(0))
}

/// What the index has as the CID of a record, in whatever bytes are there, and as the number of its block.
///
/// # Errors
/// [`StorageError`].
pub fn indexed_record(read: &Read<'_>, collection: &str, rkey: &str) -> Result<Option<(Vec<u8>, i64)>, StorageError> {
    let sql = "SELECT cid, block FROM record WHERE collection = ?1 AND rkey = ?2";
    read.first(sql, [collection, rkey], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// How many blocks there are.
///
/// # Errors
/// [`StorageError`].
pub fn count_blocks(read: &Read<'_>) -> Result<u64, StorageError> {
    count(read, "SELECT count(*) FROM block")
}

/// How many records the index has.
///
/// # Errors
/// [`StorageError`].
pub fn count_records(read: &Read<'_>) -> Result<u64, StorageError> {
    count(read, "SELECT count(*) FROM record")
}

fn count(read: &Read<'_>, sql: &str) -> Result<u64, StorageError> {
    Ok(read.first(sql, [], |row| row.get::<_, i64>(0))?.unwrap_or_default().cast_unsigned())
}

/// Removes all blocks, the index of records, and what records refer to. The head, events, notes and blobs stay.
///
/// # Errors
/// [`StorageError`] as for every method here.
pub fn clear_repository(write: &Write<'_>) -> Result<(), StorageError> {
    write.execute("DELETE FROM blob_reference", [])?;
    write.execute("DELETE FROM record", [])?;
    write.execute("DELETE FROM block", []).map(drop)
}

/// Removes the blobs that no record refers to and that do not wait for one.
///
/// # Errors
/// [`StorageError`].
pub fn delete_blobs_without_reference(write: &Write<'_>) -> Result<(), StorageError> {
    let sql = "DELETE FROM record_blob
               WHERE waiting_since_us IS NULL AND cid NOT IN (SELECT cid FROM blob_reference)";
    write.execute(sql, []).map(drop)
}

/// Adds a block, and answers whether it was new.
///
/// # Errors
/// [`StorageError`].
pub fn add_block(write: &Write<'_>, cid: &Cid, rev: &Tid, bytes: &[u8]) -> Result<bool, StorageError> {
    let sql = "INSERT INTO block (cid, rev, bytes) VALUES (?1, ?2, ?3) ON CONFLICT (cid) DO NOTHING";
    Ok(write.execute(sql, params![cid.to_bytes(), rev.as_str(), bytes])? == 1)
}
