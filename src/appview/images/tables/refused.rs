//! The SQL of manifests that holds did not take although their push was acknowledged.

use rusqlite::Row;

use atproto::syntax::{Did, Digest, HoldId};
use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

/// Number of rows of an account that are kept.
const MAX_OF_ACCOUNT: i64 = 200;

/// A manifest that a hold did not take when the queue told it.
#[derive(Clone, Debug)]
pub struct RefusedNotice {
    /// The digest of the manifest.
    pub manifest: String,
    /// The hold.
    pub hold: HoldId,
    /// The repository, without its owner.
    pub repository: String,
    /// The error of the last attempt, in one line.
    pub problem: String,
    /// Time of the last attempt, microseconds since 1970.
    pub refused_us: u64,
}

/// Stores that the hold did not take the notice `id`, which leaves the queue. Of an account the newest 200 are kept.
///
/// # Errors
/// When the database fails or has an invalid row; the same below.
pub fn put(write: &Write<'_>, id: i64, problem: &str, now_us: u64) -> Result<(), StorageError> {
    let sql = "INSERT OR REPLACE INTO refused_notice (account, manifest, hold, repository, problem, refused_us)
               SELECT account, notice ->> 'manifestDigest', hold, coalesce(notice ->> 'repository', ''), ?2, ?3
               FROM notice WHERE id = ?1 AND notice ->> 'manifestDigest' IS NOT NULL RETURNING account";
    let account = write.first(sql, (id, problem, now_us.cast_signed()), |row| row.get::<_, String>(0))?;
    if let Some(account) = account {
        let sql = "DELETE FROM refused_notice WHERE account = ?1 AND id <=
                   (SELECT id FROM refused_notice WHERE account = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
        write.execute(sql, (account, MAX_OF_ACCOUNT))?;
    }
    super::delete(write, id).map(drop)
}

/// Removes the rows of the manifest of the notice `id`, which its hold took.
///
/// # Errors
/// As [`put`].
pub fn delete_told(write: &Write<'_>, id: i64) -> Result<(), StorageError> {
    let sql = "DELETE FROM refused_notice WHERE account = (SELECT account FROM notice WHERE id = ?1)
               AND manifest = (SELECT notice ->> 'manifestDigest' FROM notice WHERE id = ?1)";
    write.execute(sql, [id]).map(drop)
}

/// Removes the rows of a manifest of an account.
///
/// # Errors
/// As [`put`].
pub fn delete(write: &Write<'_>, account: &Did, manifest: &Digest) -> Result<(), StorageError> {
    let sql = "DELETE FROM refused_notice WHERE account = ?1 AND manifest = ?2";
    write.execute(sql, (account.as_str(), manifest.to_string())).map(drop)
}

/// Removes all rows of an account.
///
/// # Errors
/// As [`put`].
pub fn delete_of(write: &Write<'_>, account: &Did) -> Result<(), StorageError> {
    write.execute("DELETE FROM refused_notice WHERE account = ?1", [account.as_str()]).map(drop)
}

/// Removes the rows from before `until_us`, microseconds since 1970.
///
/// # Errors
/// As [`put`].
pub fn sweep(write: &Write<'_>, until_us: u64) -> Result<(), StorageError> {
    write.execute("DELETE FROM refused_notice WHERE refused_us < ?1", [until_us.cast_signed()]).map(drop)
}

/// Returns the rows of an account, the newest first.
///
/// # Errors
/// As [`put`].
pub fn of_account(read: &Read<'_>, account: &Did) -> Result<Vec<RefusedNotice>, StorageError> {
    let sql = "SELECT manifest, hold, repository, problem, refused_us FROM refused_notice
               WHERE account = ?1 ORDER BY id DESC";
    read.all(sql, [account.as_str()], refused)
}

/// Returns a row of a manifest.
///
/// # Errors
/// As [`put`].
pub fn of_manifest(read: &Read<'_>, account: &Did, manifest: &Digest) -> Result<Option<RefusedNotice>, StorageError> {
    let sql = "SELECT manifest, hold, repository, problem, refused_us FROM refused_notice
               WHERE account = ?1 AND manifest = ?2 LIMIT 1";
    read.first(sql, (account.as_str(), manifest.to_string()), refused)
}

fn refused(row: &Row<'_>) -> rusqlite::Result<RefusedNotice> {
    Ok(RefusedNotice {
        manifest: row.get(0)?,
        hold: row.parse(1, HoldId::parse)?,
        repository: row.get(2)?,
        problem: row.get(3)?,
        refused_us: row.number(4)?,
    })
}
