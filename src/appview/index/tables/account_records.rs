//! The SQL of accounts together with their records: a new handle is in the words of each repository, and an account is
//! forgotten with all of them.

use super::accounts::{known, repositories_of};
use super::{records, stars};
use atproto::syntax::{Did, Handle};
use server::sqlite::Write;
use server::storage::StorageError;

/// Stores the handle of an account, and the time of the next check, unless the check became due again after `asked_us`: then
/// the answer only takes away a handle that it does not confirm, or events without end would keep one. `Err`: the last
/// handle stays.
///
/// # Errors
/// When the database fails or has an invalid row; the same below.
pub fn set_handle(
    write: &Write<'_>,
    did: &Did,
    handle: Result<Option<Handle>, ()>,
    asked_us: u64,
    next_us: u64,
) -> Result<(), StorageError> {
    let sql = "UPDATE index_account SET ask_us = ?2 WHERE did = ?1 AND ask_us <= ?3";
    let is_newest = write.execute(sql, (did.as_str(), next_us.cast_signed(), asked_us.cast_signed()))? > 0;
    let Ok(handle) = handle else { return Ok(()) };
    let handle = handle.map(|handle| handle.as_str().to_ascii_lowercase());
    let sql = "UPDATE index_account SET handle = iif(?3, ?2, NULL) WHERE did = ?1 AND handle IS NOT ?2";
    if write.execute(sql, (did.as_str(), handle, is_newest))? == 0 {
        return Ok(());
    }
    for id in repositories_of(write, did)? {
        records::refresh_words(write, id)?;
    }
    Ok(())
}

/// Forgets an account with all of its records. Returns whether it was known.
///
/// # Errors
/// As [`set_handle`].
pub fn forget(write: &Write<'_>, did: &Did) -> Result<bool, StorageError> {
    clear(write, did)?;
    write.execute("DELETE FROM index_crew WHERE member = ?1", [did.as_str()])?;
    Ok(write.execute("DELETE FROM index_account WHERE did = ?1", [did.as_str()])? > 0)
}

/// Forgets all records of an account.
pub(super) fn clear(write: &Write<'_>, did: &Did) -> Result<(), StorageError> {
    let Some(account) = known(write, did)? else { return Ok(()) };
    let sql = "SELECT id FROM index_repository WHERE account = ?1";
    for id in write.all(sql, [account.id], |row| row.get::<_, i64>(0))? {
        records::forget(write, id)?;
    }
    stars::forget_of(write, account.id)?;
    write.execute("UPDATE index_account SET records = 0 WHERE id = ?1", [account.id]).map(drop)
}
