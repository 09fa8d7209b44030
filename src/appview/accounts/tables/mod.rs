//! The SQL of sessions at PDSes.
//!
//! No other room has SQL for this table, and none calls what is here: it is public for tests.

use rusqlite::Row;

use atproto::syntax::Did;
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// A session at an account's PDS.
#[derive(Clone)]
pub struct SessionRow {
    /// What tokens of ours name it by.
    pub id: i64,
    /// Whose it is.
    pub account: Did,
    /// For calls.
    pub access: String,
    /// For the next pair, once.
    pub refresh: String,
    /// When the PDS last said that it is good, microseconds since 1970.
    pub proven_us: u64,
}

/// The session that a password stands for.
///
/// # Errors
/// When the database fails or holds what was never written; so below.
pub fn by_password(read: &Read<'_>, account: &Did, password: &[u8; 32]) -> Result<Option<SessionRow>, StorageError> {
    let sql = "SELECT id, account, access, refresh, proven_us FROM pds_session WHERE account = ?1 AND password = ?2";
    read.first(sql, (account.as_str(), password), columns)?.map(session).transpose()
}

/// The session with this number.
///
/// # Errors
/// As [`by_password`].
pub fn by_id(read: &Read<'_>, id: i64) -> Result<Option<SessionRow>, StorageError> {
    let sql = "SELECT id, account, access, refresh, proven_us FROM pds_session WHERE id = ?1";
    read.first(sql, [id], columns)?.map(session).transpose()
}

type Columns = (i64, String, String, String, i64);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn session((id, account, access, refresh, proven_us): Columns) -> Result<SessionRow, StorageError> {
    let account = Did::parse(&account).map_err(|error| StorageError::Damaged(error.into()))?;
    Ok(SessionRow { id, account, access, refresh, proven_us: proven_us.cast_unsigned() })
}

/// Adds a session; answers its number.
///
/// # Errors
/// As [`by_password`].
pub fn insert(
    write: &Write<'_>,
    account: &Did,
    password: &[u8; 32],
    (access, refresh): (&str, &str),
    proven_us: u64,
) -> Result<i64, StorageError> {
    let sql = "INSERT INTO pds_session (account, password, access, refresh, proven_us) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT DO UPDATE SET access = ?3, refresh = ?4, proven_us = ?5 RETURNING id";
    let parameters = (account.as_str(), password, access, refresh, proven_us.cast_signed());
    let id = write.first(sql, parameters, |row| row.get(0))?;
    id.ok_or_else(|| StorageError::failed("a session was not stored"))
}

/// Puts new tokens into a session.
///
/// # Errors
/// As [`by_password`].
pub fn update(write: &Write<'_>, id: i64, (access, refresh): (&str, &str), proven_us: u64) -> Result<(), StorageError> {
    let sql = "UPDATE pds_session SET access = ?2, refresh = ?3, proven_us = ?4 WHERE id = ?1";
    write.execute(sql, (id, access, refresh, proven_us.cast_signed())).map(drop)
}

/// Forgets a session.
///
/// # Errors
/// As [`by_password`].
pub fn delete(write: &Write<'_>, id: i64) -> Result<(), StorageError> {
    write.execute("DELETE FROM pds_session WHERE id = ?1", [id]).map(drop)
}
