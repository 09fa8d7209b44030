//! The SQL of repositories that were pushed to through here.
//!
//! No other room has SQL for this table, and none calls what is here: it is public for tests.

use crate::catalog::PushedRepository;
use atproto::syntax::{Did, ImageName, ServiceUrl, SyntaxError};
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// Notes a push.
///
/// # Errors
/// When the database fails or holds what was never written; so below.
pub fn put(write: &Write<'_>, row: &PushedRepository) -> Result<(), StorageError> {
    let sql = "INSERT OR REPLACE INTO pushed_repository (account, name, hold, pushed_us) VALUES (?1, ?2, ?3, ?4)";
    let parameters = (row.account.as_str(), row.name.as_str(), row.hold.as_str(), row.pushed_us.cast_signed());
    write.execute(sql, parameters).map(drop)
}

/// Forgets a repository.
///
/// # Errors
/// As [`put`].
pub fn delete(write: &Write<'_>, account: &Did, name: &ImageName) -> Result<(), StorageError> {
    let sql = "DELETE FROM pushed_repository WHERE account = ?1 AND name = ?2";
    write.execute(sql, (account.as_str(), name.as_str())).map(drop)
}

/// The repositories that were pushed to last, the newest first.
///
/// # Errors
/// As [`put`].
pub fn recent(read: &Read<'_>, limit: usize) -> Result<Vec<PushedRepository>, StorageError> {
    let sql = "SELECT account, name, hold, pushed_us FROM pushed_repository ORDER BY pushed_us DESC LIMIT ?1";
    let rows = read.all(sql, [i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, i64>(3)?))
    })?;
    let damaged = |error: SyntaxError| StorageError::Damaged(error.into());
    let repository = |(account, name, hold, pushed_us): (String, String, String, i64)| {
        Ok(PushedRepository {
            account: Did::parse(&account).map_err(damaged)?,
            name: ImageName::parse(&name).map_err(damaged)?,
            hold: ServiceUrl::parse(&hold).map_err(damaged)?,
            pushed_us: pushed_us.cast_unsigned(),
        })
    };
    rows.into_iter().map(repository).collect()
}

/// Forgets all but the newest `keep` repositories.
///
/// # Errors
/// As [`put`].
pub fn sweep(write: &Write<'_>, keep: usize) -> Result<usize, StorageError> {
    let sql = "DELETE FROM pushed_repository WHERE pushed_us <
               (SELECT pushed_us FROM pushed_repository ORDER BY pushed_us DESC LIMIT 1 OFFSET ?1)";
    write.execute(sql, [i64::try_from(keep).unwrap_or(i64::MAX)])
}
