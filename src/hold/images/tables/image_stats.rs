//! Which statistics and posts there are of whose images, and the pulls and pushes that the records do not count yet.
//! The rules are in the room `images`.

use rusqlite::params;

use atproto::syntax::Did;
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// Pulls and pushes that a stats record does not count yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCounts {
    /// The record's key.
    pub rkey: String,
    /// Whose image it is.
    pub owner: String,
    /// The image's name.
    pub repository: String,
    /// How many pulls.
    pub pulls: u64,
    /// When the newest of them was, in microseconds since 1970.
    pub last_pull_us: Option<u64>,
    /// How many pushes.
    pub pushes: u64,
    /// When the newest of them was.
    pub last_push_us: Option<u64>,
}

/// The pulls and pushes that the stats record with this key does not count yet; `None` when there is no such record.
///
/// # Errors
/// [`StorageError`] as for every method here.
pub fn new_counts(read: &Read<'_>, rkey: &str) -> Result<Option<NewCounts>, StorageError> {
    let sql =
        "SELECT rkey, owner, repository, new_pulls, last_pull_us, new_pushes, last_push_us FROM stats WHERE rkey = ?1";
    read.first(sql, [rkey], new_counts_of)
}

/// Pulls and pushes of at most `limit` images that the records do not count yet.
///
/// # Errors
/// [`StorageError`].
pub fn all_new_counts(read: &Read<'_>, limit: usize) -> Result<Vec<NewCounts>, StorageError> {
    let sql = "SELECT rkey, owner, repository, new_pulls, last_pull_us, new_pushes, last_push_us FROM stats WHERE new_pulls > 0 OR new_pushes > 0 LIMIT ?1";
    read.all(sql, [limit.cast_signed()], new_counts_of)
}

/// Whether there is a stats record with this key.
///
/// # Errors
/// [`StorageError`].
pub fn has_stats(read: &Read<'_>, rkey: &str) -> Result<bool, StorageError> {
    Ok(read.first("SELECT 1 FROM stats WHERE rkey = ?1", [rkey], |_| Ok(()))?.is_some())
}

/// Whether the stats record with this key is of an image of `owner`.
///
/// # Errors
/// [`StorageError`].
pub fn is_stats_of(read: &Read<'_>, rkey: &str, owner: &Did) -> Result<bool, StorageError> {
    let sql = "SELECT 1 FROM stats WHERE rkey = ?1 AND owner = ?2";
    Ok(read.first(sql, [rkey, owner.as_str()], |_| Ok(()))?.is_some())
}

/// How many stats records there are of an account's images, counted up to `most`.
///
/// # Errors
/// [`StorageError`].
pub fn count_stats_of(read: &Read<'_>, owner: &Did, most: u64) -> Result<u64, StorageError> {
    let sql = "SELECT count(*) FROM (SELECT 1 FROM stats WHERE owner = ?1 LIMIT ?2)";
    let count = read.first(sql, params![owner.as_str(), most.cast_signed()], |row| row.get::<_, i64>(0))?;
    Ok(count.unwrap_or(0).cast_unsigned())
}

/// The keys of the stats records of an account's images, at most `limit` of them.
///
/// # Errors
/// [`StorageError`].
pub fn stats_of(read: &Read<'_>, owner: &Did, limit: usize) -> Result<Vec<String>, StorageError> {
    let sql = "SELECT rkey FROM stats WHERE owner = ?1 LIMIT ?2";
    read.all(sql, params![owner.as_str(), limit.cast_signed()], |row| row.get(0))
}

/// The same beyond the key `after`, in their order.
///
/// # Errors
/// [`StorageError`].
pub fn stats_after(read: &Read<'_>, owner: &Did, after: &str, limit: usize) -> Result<Vec<String>, StorageError> {
    let sql = "SELECT rkey FROM stats WHERE owner = ?1 AND rkey > ?2 ORDER BY rkey LIMIT ?3";
    read.all(sql, params![owner.as_str(), after, limit.cast_signed()], |row| row.get(0))
}

/// The keys of the posts about an account's pushes, at most `limit` of them.
///
/// # Errors
/// [`StorageError`].
pub fn posts_of(read: &Read<'_>, account: &Did, limit: usize) -> Result<Vec<String>, StorageError> {
    let sql = "SELECT rkey FROM post WHERE account = ?1 LIMIT ?2";
    read.all(sql, params![account.as_str(), limit.cast_signed()], |row| row.get(0))
}

/// The same beyond the key `after`, in their order.
///
/// # Errors
/// [`StorageError`].
pub fn posts_after(read: &Read<'_>, account: &Did, after: &str, limit: usize) -> Result<Vec<String>, StorageError> {
    let sql = "SELECT rkey FROM post WHERE account = ?1 AND rkey > ?2 ORDER BY rkey LIMIT ?3";
    read.all(sql, params![account.as_str(), after, limit.cast_signed()], |row| row.get(0))
}

/// The greatest key among layer records and posts.
///
/// # Errors
/// [`StorageError`].
pub fn newest_registry_key(read: &Read<'_>) -> Result<Option<String>, StorageError> {
    let newest = |sql| read.first(sql, [], |row| row.get::<_, Option<String>>(0));
    let layer = newest("SELECT max(rkey) FROM layer")?;
    Ok(layer.max(newest("SELECT max(rkey) FROM post")?).flatten())
}

/// Adds a stats record to the index, as one that counts all pulls and pushes.
///
/// # Errors
/// [`StorageError`] as for every method here.
pub fn put_stats(write: &Write<'_>, rkey: &str, owner: &str, repository: &str) -> Result<(), StorageError> {
    let sql = "INSERT INTO stats (rkey, owner, repository) VALUES (?1, ?2, ?3)
               ON CONFLICT (rkey) DO UPDATE SET new_pulls = 0, last_pull_us = NULL, new_pushes = 0, last_push_us = NULL";
    write.execute(sql, [rkey, owner, repository]).map(drop)
}

/// Takes a stats record out of the index.
///
/// # Errors
/// [`StorageError`].
pub fn delete_stats(write: &Write<'_>, rkey: &str) -> Result<(), StorageError> {
    write.execute("DELETE FROM stats WHERE rkey = ?1", [rkey]).map(drop)
}

/// Counts a pull of the image that has this stats record, and answers whether there is one.
///
/// # Errors
/// [`StorageError`].
pub fn count_pull(write: &Write<'_>, rkey: &str, now_us: u64) -> Result<bool, StorageError> {
    let sql = "UPDATE stats SET new_pulls = new_pulls + 1, last_pull_us = ?2 WHERE rkey = ?1";
    Ok(write.execute(sql, params![rkey, now_us.cast_signed()])? == 1)
}

/// Counts a push of the image that has this stats record.
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

/// Takes a post out of the index.
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
        pulls: row.get::<_, i64>(3)?.cast_unsigned(),
        last_pull_us: row.get::<_, Option<i64>>(4)?.map(i64::cast_unsigned),
        pushes: row.get::<_, i64>(5)?.cast_unsigned(),
        last_push_us: row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned),
    })
}
