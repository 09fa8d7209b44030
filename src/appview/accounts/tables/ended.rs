//! The SQL of sessions that have ended here, and whose servers are still to be told so.

use rusqlite::Row;

use super::{Binding, SessionRow};
use atproto::syntax::Did;
use server::sqlite::{Columns as _, Read, Write, row_limit};
use server::storage::StorageError;

/// Most ended sessions of one account: the oldest go first.
const MAX_OF_ACCOUNT: i64 = 16;

/// A session that has ended here.
#[derive(Clone)]
pub struct EndedRow {
    /// Number of the row.
    pub id: i64,
    /// Account of the session.
    pub account: Did,
    /// Refresh token.
    pub refresh: String,
    /// Authorization server and key of a session by OAuth; `None` for a session by password.
    pub binding: Option<Binding>,
    /// Time of its end, microseconds since 1970.
    pub ended_us: u64,
    /// Number of failed attempts to end it at its server.
    pub attempts: u32,
}

/// Adds a session that was deleted, to be ended at its server from `due_us` on. Times are microseconds since 1970.
///
/// # Errors
/// When the database fails or has an invalid row; the same below.
pub fn add_ended(
    write: &Write<'_>,
    session: &SessionRow,
    ended_us: u64,
    due_us: u64,
) -> Result<EndedRow, StorageError> {
    let SessionRow { account, refresh, binding, .. } = session;
    let (issuer, key) = (binding.as_ref().map(|binding| &binding.issuer), binding.as_ref().map(|binding| &binding.key));
    let sql =
        "INSERT INTO ended_session (account, refresh, issuer, key, ended_us, due_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               RETURNING id, account, refresh, issuer, key, ended_us, attempts";
    let parameters = (account.as_str(), refresh, issuer, key, ended_us.cast_signed(), due_us.cast_signed());
    let added = write.first(sql, parameters, ended)?.ok_or_else(|| StorageError::failed("a session was not stored"))?;
    let sql = "DELETE FROM ended_session WHERE id IN
               (SELECT id FROM ended_session WHERE account = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2)";
    write.execute(sql, (account.as_str(), MAX_OF_ACCOUNT))?;
    Ok(added)
}

/// Returns ended sessions that are due, the longest first.
///
/// # Errors
/// As [`add_ended`].
pub fn due_ended(read: &Read<'_>, now_us: u64, limit: usize) -> Result<Vec<EndedRow>, StorageError> {
    let sql = "SELECT id, account, refresh, issuer, key, ended_us, attempts FROM ended_session
               WHERE due_us <= ?1 ORDER BY due_us LIMIT ?2";
    read.all(sql, (now_us.cast_signed(), row_limit(limit)), ended)
}

/// Returns the ended sessions of an account.
///
/// # Errors
/// As [`add_ended`].
pub fn ended_of(read: &Read<'_>, account: &Did) -> Result<Vec<EndedRow>, StorageError> {
    let sql = "SELECT id, account, refresh, issuer, key, ended_us, attempts FROM ended_session WHERE account = ?1";
    read.all(sql, [account.as_str()], ended)
}

/// Notes a failed attempt. The next one is due at `due_us`, microseconds since 1970.
///
/// # Errors
/// As [`add_ended`].
pub fn postpone_ended(write: &Write<'_>, id: i64, due_us: u64) -> Result<(), StorageError> {
    let sql = "UPDATE ended_session SET due_us = ?2, attempts = attempts + 1 WHERE id = ?1";
    write.execute(sql, (id, due_us.cast_signed())).map(drop)
}

/// Forgets an ended session with its token.
///
/// # Errors
/// As [`add_ended`].
pub fn forget_ended(write: &Write<'_>, id: i64) -> Result<(), StorageError> {
    write.execute("DELETE FROM ended_session WHERE id = ?1", [id]).map(drop)
}

fn ended(row: &Row<'_>) -> rusqlite::Result<EndedRow> {
    let (issuer, key): (Option<String>, Option<[u8; 32]>) = (row.get(3)?, row.get(4)?);
    Ok(EndedRow {
        id: row.get(0)?,
        account: row.parse(1, Did::parse)?,
        refresh: row.get(2)?,
        binding: issuer.zip(key).map(|(issuer, key)| Binding { issuer, key }),
        ended_us: row.number(5)?,
        attempts: row.get(6)?,
    })
}
