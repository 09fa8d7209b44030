//! The index of statistics and posts, and the pulls and pushes not yet in the records. The rules are in the room
//! `images`.

use rusqlite::params;

use atproto::syntax::Did;
use server::sqlite::{Columns as _, Read, Write, row_limit};
use server::storage::StorageError;

/// Pulls and pushes that are not yet in a statistics record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCounts {
    /// The record's key.
    pub rkey: String,
    /// DID of the image's owner.
    pub owner: String,
    /// The image's name.
    pub repository: String,
    /// Number of these pulls.
    pub pulls: u64,
    /// Time of the last pull, in microseconds since 1970.
    pub last_pull_us: Option<u64>,
    /// Number of these pushes.
    pub pushes: u64,
    /// Time of the last push, in microseconds since 1970.
    pub last_push_us: Option<u64>,
}

/// Returns the pulls and pushes not yet in the statistics record with this key; `None` when there is no such record.
///
/// # Errors
/// [`StorageError`], as for every function here.
pub fn new_counts(read: &Read<'_>, rkey: &str) -> Result<Option<NewCounts>, StorageError> {
    let sql =
        "SELECT rkey, owner, repository, new_pulls, last_pull_us, new_pushes, last_push_us FROM stats WHERE rkey = ?1";
    read.first(sql, [rkey], new_counts_of)
}

/// Returns the pulls and pushes not yet in the records, of at most `limit` images.
///
/// # Errors
/// [`StorageError`].
pub fn all_new_counts(read: &Read<'_>, limit: usize) -> Result<Vec<NewCounts>, StorageError> {
    let sql = "SELECT rkey, owner, repository, new_pulls, last_pull_us, new_pushes, last_push_us FROM stats WHERE new_pulls > 0 OR new_pushes > 0 LIMIT ?1";
    read.all(sql, [row_limit(limit)], new_counts_of)
}

/// Whether there is a statistics record with this key.
///
/// # Errors
/// [`StorageError`].
pub fn has_stats(read: &Read<'_>, rkey: &str) -> Result<bool, StorageError> {
    Ok(read.first("SELECT 1 FROM stats WHERE rkey = ?1", [rkey], |_| Ok(()))?.is_some())
}

/// Whether the statistics record with this key is of an image of `owner`.
///
/// # Errors
/// [`StorageError`].
pub fn is_stats_of(read: &Read<'_>, rkey: &str, owner: &Did) -> Result<bool, StorageError> {
    let sql = "SELECT 1 FROM stats WHERE rkey = ?1 AND owner = ?2";
    Ok(read.first(sql, [rkey, owner.as_str()], |_| Ok(()))?.is_some())
}

/// Returns the number of an account's statistics records, counted up to `most`.
///
/// # Errors
/// [`StorageError`].
pub fn count_stats_of(read: &Read<'_>, owner: &Did, most: u64) -> Result<u64, StorageError> {
    let sql = "SELECT count(*) FROM (SELECT 1 FROM stats WHERE owner = ?1 LIMIT ?2)";
    Ok(read.first(sql, params![owner.as_str(), row_limit(most)], |row| row.number(0))?.unwrap_or(0))
}

/// Returns the keys of at most `limit` statistics records of an account's images.
///
/// # Errors
/// [`StorageError`].
pub fn stats_of(read: &Read<'_>, owner: &Did, limit: usize) -> Result<Vec<String>, StorageError> {
    let sql = "SELECT rkey FROM stats WHERE owner = ?1 LIMIT ?2";
    read.all(sql, params![owner.as_str(), row_limit(limit)], |row| row.get(0))
}

/// Returns the keys of at most `limit` statistics records of an account's images after the key `after`, in their order.
///
/// # Errors
/// [`StorageError`].
pub fn stats_after(read: &Read<'_>, owner: &Did, after: &str, limit: usize) -> Result<Vec<String>, StorageError> {
    let sql = "SELECT rkey FROM stats WHERE owner = ?1 AND rkey > ?2 ORDER BY rkey LIMIT ?3";
    read.all(sql, params![owner.as_str(), after, row_limit(limit)], |row| row.get(0))
}

/// Returns the keys of at most `limit` posts about an account's pushes.
///
/// # Errors
/// [`StorageError`].
pub fn posts_of(read: &Read<'_>, account: &Did, limit: usize) -> Result<Vec<String>, StorageError> {
    let sql = "SELECT rkey FROM post WHERE account = ?1 LIMIT ?2";
    read.all(sql, params![account.as_str(), row_limit(limit)], |row| row.get(0))
}

/// Returns the keys of at most `limit` posts about an account's pushes after the key `after`, in their order.
///
/// # Errors
/// [`StorageError`].
pub fn posts_after(read: &Read<'_>, account: &Did, after: &str, limit: usize) -> Result<Vec<String>, StorageError> {
    let sql = "SELECT rkey FROM post WHERE account = ?1 AND rkey > ?2 ORDER BY rkey LIMIT ?3";
    read.all(sql, params![account.as_str(), after, row_limit(limit)], |row| row.get(0))
}

/// Returns the greatest key among layer records and posts.
///
/// # Errors
/// [`StorageError`].
pub fn newest_registry_key(read: &Read<'_>) -> Result<Option<String>, StorageError> {
    let newest = |sql| read.first(sql, [], |row| row.get::<_, Option<String>>(0));
    let layer = newest("SELECT max(rkey) FROM layer")?;
    Ok(layer.max(newest("SELECT max(rkey) FROM post")?).flatten())
}

/// Adds a statistics record to the index, as one that counts all pulls and pushes.
///
/// # Errors
/// [`StorageError`], as for every function here.
pub fn put_stats(write: &Write<'_>, rkey: &str, owner: &str, repository: &str) -> Result<(), StorageError> {
    let sql = "INSERT INTO stats (rkey, owner, repository) VALUES (?1, ?2, ?3)
               ON CONFLICT (rkey) DO UPDATE SET new_pulls = 0, last_pull_us = NULL, new_pushes = 0, last_push_us = NULL";
    write.execute(sql, [rkey, owner, repository]).map(drop)
}

/// Removes a statistics record from the index.
///
/// # Errors
/// [`StorageError`].
pub fn delete_stats(write: &Write<'_>, rkey: &str) -> Result<(), StorageError> {
    write.execute("DELETE FROM stats WHERE rkey = ?1", [rkey]).map(drop)
}

/// Counts a pull of the image with this statistics record. Returns whether the record exists.
///
/// # Errors
/// [`StorageError`].
pub fn count_pull(write: &Write<'_>, rkey: &str, now_us: u64) -> Result<bool, StorageError> {
    let sql = "UPDATE stats SET new_pulls = new_pulls + 1, last_pull_us = ?2 WHERE rkey = ?1";
    Ok(write.execute(sql, params![rkey, now_us.cast_signed()])? == 1)
}

/// Counts a push of the image with this statistics record.
///
/// # Errors
/// [`StorageError`].
pub fn count_push(write: &Write<'_>, rkey: &str, now_us: u64) -> Result<(), StorageError> {
    let sql = "UPDATE stats SET new_pushes = new_pushes + 1, last_push_us = ?2 WHERE rkey = ?1";
    write.execute(sql, params![rkey, now_us.cast_signed()]).map(drop)
}

/// Adds a post to the index.
///
/// # Errors
/// [`StorageError`].
pub fn put_post(write: &Write<'_>, rkey: &str, account: &str) -> Result<(), StorageError> {
    write.execute("INSERT INTO post (rkey, account) VALUES (?1, ?2)", [rkey, account]).map(drop)
}

/// Removes a post from the index.
///
/// # Errors
/// [`StorageError`].
pub fn delete_post(write: &Write<'_>, rkey: &str) -> Result<(), StorageError> {
    write.execute("DELETE FROM post WHERE rkey = ?1", [rkey]).map(drop)
}

fn new_counts_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<NewCounts> {
    Ok(NewCounts {
        rkey: row.get(0)?,
        owner: row.get(1)?,
        repository: row.get(2)?,
        pulls: row.number(3)?,
        last_pull_us: row.number_or_null(4)?,
        pushes: row.number(5)?,
        last_push_us: row.number_or_null(6)?,
    })
}
