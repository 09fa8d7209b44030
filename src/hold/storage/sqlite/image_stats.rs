//! Which statistics and posts there are of whose images, and the pulls that the records do not count yet. The rules are
//! in the room `registry`.

use rusqlite::params;

use crate::storage::StorageError;
use atproto::syntax::Did;

use super::{Read, Write};

/// Pulls that a stats record does not count yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPulls {
    /// The record's key.
    pub rkey: String,
    /// Whose image it is.
    pub owner: String,
    /// The image's name.
    pub repository: String,
    /// How many.
    pub pulls: u64,
    /// When the newest was, in microseconds since 1970.
    pub last_us: u64,
}

impl Read<'_> {
    /// The pulls that the stats record with this key does not count yet; `None` when there is no such record.
    ///
    /// # Errors
    /// [`StorageError`] as for every method here.
    pub fn new_pulls(&self, rkey: &str) -> Result<Option<NewPulls>, StorageError> {
        let sql = "SELECT rkey, owner, repository, new_pulls, last_pull_us FROM stats WHERE rkey = ?1";
        self.first(sql, [rkey], new_pulls)
    }

    /// Pulls of at most `limit` images that the records do not count yet.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn all_new_pulls(&self, limit: usize) -> Result<Vec<NewPulls>, StorageError> {
        let sql = "SELECT rkey, owner, repository, new_pulls, last_pull_us FROM stats WHERE new_pulls > 0 LIMIT ?1";
        self.all(sql, [limit.cast_signed()], new_pulls)
    }

    /// The keys of the stats records of an account's images, at most `limit` of them.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn stats_of(&self, owner: &Did, limit: usize) -> Result<Vec<String>, StorageError> {
        let sql = "SELECT rkey FROM stats WHERE owner = ?1 LIMIT ?2";
        self.all(sql, params![owner.as_str(), limit.cast_signed()], |row| row.get(0))
    }

    /// The keys of the posts about an account's pushes, at most `limit` of them.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn posts_of(&self, account: &Did, limit: usize) -> Result<Vec<String>, StorageError> {
        let sql = "SELECT rkey FROM post WHERE account = ?1 LIMIT ?2";
        self.all(sql, params![account.as_str(), limit.cast_signed()], |row| row.get(0))
    }

    /// The greatest key among layer records and posts.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn newest_registry_key(&self) -> Result<Option<String>, StorageError> {
        let newest = |sql| self.first(sql, [], |row| row.get::<_, Option<String>>(0));
        let layer = newest("SELECT max(rkey) FROM layer")?;
        Ok(layer.max(newest("SELECT max(rkey) FROM post")?).flatten())
    }
}

impl Write<'_> {
    /// Adds a stats record to the index, as one that counts all pulls.
    ///
    /// # Errors
    /// [`StorageError`] as for every method here.
    pub fn put_stats(&self, rkey: &str, owner: &str, repository: &str) -> Result<(), StorageError> {
        let sql = "INSERT INTO stats (rkey, owner, repository) VALUES (?1, ?2, ?3)
                   ON CONFLICT (rkey) DO UPDATE SET new_pulls = 0, last_pull_us = NULL";
        self.execute(sql, [rkey, owner, repository]).map(drop)
    }

    /// Takes a stats record out of the index.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn delete_stats(&self, rkey: &str) -> Result<(), StorageError> {
        self.execute("DELETE FROM stats WHERE rkey = ?1", [rkey]).map(drop)
    }

    /// Counts a pull of the image that has this stats record, and answers whether there is one.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn count_pull(&self, rkey: &str, now_us: u64) -> Result<bool, StorageError> {
        let sql = "UPDATE stats SET new_pulls = new_pulls + 1, last_pull_us = ?2 WHERE rkey = ?1";
        Ok(self.execute(sql, params![rkey, now_us.cast_signed()])? == 1)
    }

    /// Adds a post to the index.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn put_post(&self, rkey: &str, account: &str) -> Result<(), StorageError> {
        self.execute("INSERT INTO post (rkey, account) VALUES (?1, ?2)", [rkey, account]).map(drop)
    }

    /// Takes a post out of the index.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn delete_post(&self, rkey: &str) -> Result<(), StorageError> {
        self.execute("DELETE FROM post WHERE rkey = ?1", [rkey]).map(drop)
    }
}

fn new_pulls(row: &rusqlite::Row<'_>) -> rusqlite::Result<NewPulls> {
    Ok(NewPulls {
        rkey: row.get(0)?,
        owner: row.get(1)?,
        repository: row.get(2)?,
        pulls: row.get::<_, i64>(3)?.cast_unsigned(),
        last_us: row.get::<_, Option<i64>>(4)?.unwrap_or_default().cast_unsigned(),
    })
}
