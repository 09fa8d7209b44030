//! The SQL of repositories that were pushed to through this registry.
//!
//! No other room has SQL for this table, and none calls these functions: they are public for tests.

use rusqlite::Row;

use crate::catalog::PushedRepository;
use atproto::syntax::{Did, HoldId, ImageName};
use server::sqlite::{Columns as _, Read, Write, row_limit};
use server::storage::StorageError;

/// Notes a push: adds the repository, or replaces its row.
///
/// # Errors
/// When the database fails or has an invalid row; the same below.
pub fn put(write: &Write<'_>, row: &PushedRepository) -> Result<(), StorageError> {
    let sql = "INSERT OR REPLACE INTO pushed_repository (account, name, hold, pushed_us) VALUES (?1, ?2, ?3, ?4)";
    let parameters = (row.account.as_str(), row.name.as_str(), row.hold.as_str(), row.pushed_us.cast_signed());
    write.execute(sql, parameters).map(drop)
}

/// Forgets a repository whose last push was before `before_us`, microseconds since 1970.
///
/// # Errors
/// As [`put`].
pub fn delete(write: &Write<'_>, account: &Did, name: &ImageName, before_us: u64) -> Result<(), StorageError> {
    let sql = "DELETE FROM pushed_repository WHERE account = ?1 AND name = ?2 AND pushed_us < ?3";
    write.execute(sql, (account.as_str(), name.as_str(), before_us.cast_signed())).map(drop)
}

/// Forgets all repositories of an account.
///
/// # Errors
/// As [`put`].
pub fn delete_of(write: &Write<'_>, account: &Did) -> Result<(), StorageError> {
    write.execute("DELETE FROM pushed_repository WHERE account = ?1", [account.as_str()]).map(drop)
}

/// Returns the repositories with the latest pushes, the newest first.
///
/// # Errors
/// As [`put`].
pub fn recent(read: &Read<'_>, limit: usize) -> Result<Vec<PushedRepository>, StorageError> {
    let sql = "SELECT account, name, hold, pushed_us FROM pushed_repository ORDER BY pushed_us DESC LIMIT ?1";
    read.all(sql, [row_limit(limit)], repository)
}

/// Returns the repositories of an account, by name.
///
/// # Errors
/// As [`put`].
pub fn of_account(read: &Read<'_>, account: &Did) -> Result<Vec<PushedRepository>, StorageError> {
    let sql = "SELECT account, name, hold, pushed_us FROM pushed_repository WHERE account = ?1 ORDER BY name";
    read.all(sql, [account.as_str()], repository)
}

/// Returns all accounts that have pushed.
///
/// # Errors
/// As [`put`].
pub fn accounts(read: &Read<'_>) -> Result<Vec<Did>, StorageError> {
    read.all("SELECT DISTINCT account FROM pushed_repository", [], |row| row.parse(0, Did::parse))
}

fn repository(row: &Row<'_>) -> rusqlite::Result<PushedRepository> {
    Ok(PushedRepository {
        account: row.parse(0, Did::parse)?,
        name: row.parse(1, ImageName::parse)?,
        hold: row.parse(2, HoldId::parse)?,
        pushed_us: row.number(3)?,
    })
}

/// Forgets all but the newest `keep` repositories. Returns the number that were forgotten.
///
/// # Errors
/// As [`put`].
pub fn sweep(write: &Write<'_>, keep: usize) -> Result<usize, StorageError> {
    let sql = "DELETE FROM pushed_repository WHERE pushed_us <
               (SELECT pushed_us FROM pushed_repository ORDER BY pushed_us DESC LIMIT 1 OFFSET ?1)";
    write.execute(sql, [row_limit(keep)])
}
