//! The SQL of the accounts in the index.

use rusqlite::Row;

use super::Applying;
use atproto::syntax::Did;
use server::sqlite::{Columns as _, Read, Write, row_limit};
use server::storage::StorageError;

/// An account with records in the index, or without any yet.
pub(super) struct AccountRow {
    pub(super) id: i64,
    pub(super) records: u64,
}

/// An account whose handle is to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueHandle {
    /// The account.
    pub account: Did,
    /// Whether its handle was never checked: then no event says that it has changed.
    pub is_first: bool,
}

/// Returns the account of a DID. A new one is added, and the first check of its handle is due at the time 0.
pub(super) fn of(applying: &mut Applying<'_, '_>, did: &Did) -> Result<AccountRow, StorageError> {
    if let Some(known) = known(applying.write, did)? {
        return Ok(known);
    }
    applying.has_due = true;
    let list_us = applying.limits.lists_new.then_some(applying.now_us.cast_signed());
    let sql = "INSERT INTO index_account (did, ask_us, list_us) VALUES (?1, 0, ?2) RETURNING id";
    let id = applying.write.first(sql, (did.as_str(), list_us), |row| row.get(0))?;
    Ok(AccountRow { id: id.unwrap_or_default(), records: 0 })
}

pub(super) fn known(read: &Read<'_>, did: &Did) -> Result<Option<AccountRow>, StorageError> {
    let sql = "SELECT id, records FROM index_account WHERE did = ?1";
    read.first(sql, [did.as_str()], |row| Ok(AccountRow { id: row.get(0)?, records: row.number(1)? }))
}

/// Adds `more`, which may be negative, to the number of an account's records.
pub(super) fn count(write: &Write<'_>, account: i64, more: i64) -> Result<(), StorageError> {
    let sql = "UPDATE index_account SET records = max(0, records + ?2) WHERE id = ?1";
    write.execute(sql, (account, more)).map(drop)
}

/// Makes the check of an account's handle due.
pub(super) fn check_handle(applying: &mut Applying<'_, '_>, did: &Did) -> Result<(), StorageError> {
    let sql = "UPDATE index_account SET ask_us = ?2 WHERE did = ?1";
    applying.has_due |= applying.write.execute(sql, (did.as_str(), applying.now_us.cast_signed()))? > 0;
    Ok(())
}

/// Makes the listing of an account's records due.
pub(super) fn list(applying: &mut Applying<'_, '_>, did: &Did) -> Result<(), StorageError> {
    let account = of(applying, did)?;
    applying.has_due = true;
    let sql = "UPDATE index_account SET list_us = ?2 WHERE id = ?1";
    applying.write.execute(sql, (account.id, applying.now_us.cast_signed())).map(drop)
}

/// Stores whether an account is active at its server.
pub(super) fn set_active(applying: &mut Applying<'_, '_>, did: &Did, is_active: bool) -> Result<(), StorageError> {
    let sql = "UPDATE index_account SET is_active = ?2 WHERE did = ?1 AND is_active <> ?2";
    if applying.write.execute(sql, (did.as_str(), i64::from(is_active)))? > 0 {
        applying.touched.extend(repositories_of(applying.write, did)?);
    }
    Ok(())
}

/// Returns the repositories of an account.
pub(super) fn repositories_of(read: &Read<'_>, did: &Did) -> Result<Vec<i64>, StorageError> {
    let sql = "SELECT id FROM index_repository WHERE account = (SELECT id FROM index_account WHERE did = ?1)";
    read.all(sql, [did.as_str()], |row| row.get(0))
}

/// Returns accounts whose handles are to be checked.
///
/// # Errors
/// When the database fails or has an invalid row; the same below.
pub fn due_handles(read: &Read<'_>, now_us: u64, limit: usize) -> Result<Vec<DueHandle>, StorageError> {
    let sql =
        "SELECT did, ask_us = 0 FROM index_account WHERE ask_us IS NOT NULL AND ask_us <= ?1 ORDER BY ask_us LIMIT ?2";
    let due = |row: &Row<'_>| Ok(DueHandle { account: row.parse(0, Did::parse)?, is_first: row.get(1)? });
    read.all(sql, (now_us.cast_signed(), row_limit(limit)), due)
}

/// Returns accounts whose records are to be listed.
///
/// # Errors
/// As [`due_handles`].
pub fn due_lists(read: &Read<'_>, now_us: u64, limit: usize) -> Result<Vec<Did>, StorageError> {
    let sql = "SELECT did FROM index_account WHERE list_us IS NOT NULL AND list_us <= ?1 ORDER BY list_us LIMIT ?2";
    dids(read, sql, now_us, limit)
}

pub(super) fn dids(read: &Read<'_>, sql: &str, now_us: u64, limit: usize) -> Result<Vec<Did>, StorageError> {
    let parameters = (now_us.cast_signed(), row_limit(limit));
    read.all(sql, parameters, |row| row.parse(0, Did::parse))
}

/// Puts the check of an account's handle off.
///
/// # Errors
/// As [`due_handles`].
pub fn check_handle_later(write: &Write<'_>, did: &Did, at_us: u64) -> Result<(), StorageError> {
    let sql = "UPDATE index_account SET ask_us = ?2 WHERE did = ?1";
    write.execute(sql, (did.as_str(), at_us.cast_signed())).map(drop)
}

/// Returns whether an account is known to be inactive at its server.
///
/// # Errors
/// As [`due_handles`].
pub fn is_inactive(read: &Read<'_>, did: &Did) -> Result<bool, StorageError> {
    let sql = "SELECT is_active = 0 FROM index_account WHERE did = ?1";
    Ok(read.first(sql, [did.as_str()], |row| row.get(0))?.unwrap_or(false))
}

/// Returns whether an account is known, and its records are to be listed.
///
/// # Errors
/// As [`due_handles`].
pub fn is_to_be_listed(read: &Read<'_>, did: &Did) -> Result<bool, StorageError> {
    let sql = "SELECT list_us IS NOT NULL FROM index_account WHERE did = ?1";
    Ok(read.first(sql, [did.as_str()], |row| row.get(0))?.unwrap_or(false))
}

/// Ends the listing of an account's records, unless another one became due after `begun_us`.
///
/// # Errors
/// As [`due_handles`].
pub fn listed(write: &Write<'_>, did: &Did, begun_us: u64) -> Result<(), StorageError> {
    let sql = "UPDATE index_account SET list_us = NULL WHERE did = ?1 AND list_us <= ?2";
    write.execute(sql, (did.as_str(), begun_us.cast_signed())).map(drop)
}

/// Stores the time at which an account's records are to be listed; `None` for never.
///
/// # Errors
/// As [`due_handles`].
pub fn set_list_time(write: &Write<'_>, did: &Did, at_us: Option<u64>) -> Result<(), StorageError> {
    let sql = "UPDATE index_account SET list_us = ?2 WHERE did = ?1";
    write.execute(sql, (did.as_str(), at_us.map(u64::cast_signed))).map(drop)
}

/// Makes the listing of all accounts' records due. Returns the number of accounts.
///
/// # Errors
/// As [`due_handles`].
pub fn list_all(write: &Write<'_>, now_us: u64) -> Result<usize, StorageError> {
    write.execute("UPDATE index_account SET list_us = ?1 WHERE records >= 0", [now_us.cast_signed()])
}
