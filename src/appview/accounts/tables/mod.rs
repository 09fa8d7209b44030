//! The SQL of sessions at PDSes, of their ends, and of sign-ins by OAuth.
//!
//! No other room has SQL for these tables, and none calls these functions: they are public for tests.

mod ended;
mod sign_ins;

use std::cmp::Reverse;

use rusqlite::Row;

use crate::oauth::NewTokens;
use atproto::syntax::Did;
use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

pub use ended::{EndedRow, add_ended, due_ended, ended_of, forget_ended, postpone_ended};
pub use sign_ins::{
    SignInRow, SignInUnderWay, begin_sign_in, forget_sign_ins, move_sign_ins, sign_ins_of, sweep_sign_ins, take_sign_in,
};

/// A session at an account's PDS.
#[derive(Clone)]
pub struct SessionRow {
    /// Number of the session; tokens of this registry name it.
    pub id: i64,
    /// Account of the session.
    pub account: Did,
    /// Access token.
    pub access: String,
    /// Refresh token, good for one use.
    pub refresh: String,
    /// Time of the last confirmation by the PDS, microseconds since 1970.
    pub proven_us: u64,
    /// Authorization server and key of a session by OAuth; `None` for a session by password.
    pub binding: Option<Binding>,
    /// Time of the sign-in of a session by OAuth, microseconds since 1970. Older rows lack it.
    pub begun_us: Option<u64>,
}

/// The authorization server and the key that a session by OAuth is bound to.
#[derive(Clone)]
pub struct Binding {
    /// Issuer of the tokens.
    pub issuer: String,
    /// Private key of the DPoP proofs.
    pub key: [u8; 32],
}

/// A session without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSummary {
    /// Number of the session.
    pub id: i64,
    /// Account of the session.
    pub account: Did,
    /// Whether the session was made by OAuth in a browser; else by an app password.
    pub by_oauth: bool,
    /// Time of the last confirmation by the PDS, microseconds since 1970.
    pub proven_us: u64,
}

/// Returns the session of a password, by the password's HMAC.
///
/// # Errors
/// When the database fails or has an invalid row; the same below.
pub fn by_password(read: &Read<'_>, account: &Did, password: &[u8; 32]) -> Result<Option<SessionRow>, StorageError> {
    let sql = "SELECT id, account, access, refresh, proven_us, issuer, key, begun_us FROM pds_session
               WHERE account = ?1 AND password = ?2";
    read.first(sql, (account.as_str(), password), session)
}

/// Returns the account's session by OAuth.
///
/// # Errors
/// As [`by_password`].
pub fn by_oauth(read: &Read<'_>, account: &Did) -> Result<Option<SessionRow>, StorageError> {
    let sql = "SELECT id, account, access, refresh, proven_us, issuer, key, begun_us FROM pds_session
               WHERE account = ?1 AND password IS NULL";
    read.first(sql, [account.as_str()], session)
}

/// Returns the session with this number.
///
/// # Errors
/// As [`by_password`].
pub fn by_id(read: &Read<'_>, id: i64) -> Result<Option<SessionRow>, StorageError> {
    let sql = "SELECT id, account, access, refresh, proven_us, issuer, key, begun_us FROM pds_session WHERE id = ?1";
    read.first(sql, [id], session)
}

fn session(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    let (issuer, key): (Option<String>, Option<[u8; 32]>) = (row.get(5)?, row.get(6)?);
    Ok(SessionRow {
        id: row.get(0)?,
        account: row.parse(1, Did::parse)?,
        access: row.get(2)?,
        refresh: row.get(3)?,
        proven_us: row.number(4)?,
        binding: issuer.zip(key).map(|(issuer, key)| Binding { issuer, key }),
        begun_us: row.number_or_null(7)?,
    })
}

/// Adds a session by password, or replaces the tokens of the one there is. Returns its number.
///
/// # Errors
/// As [`by_password`].
pub fn insert(
    write: &Write<'_>,
    account: &Did,
    password: &[u8; 32],
    tokens: &NewTokens,
    proven_us: u64,
) -> Result<i64, StorageError> {
    let sql = "INSERT INTO pds_session (account, password, access, refresh, proven_us) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT DO UPDATE SET access = ?3, refresh = ?4, proven_us = ?5 RETURNING id";
    let parameters = (account.as_str(), password, &tokens.access, &tokens.refresh, proven_us.cast_signed());
    let id = write.first(sql, parameters, |row| row.get(0))?;
    id.ok_or_else(|| StorageError::failed("a session was not stored"))
}

/// Stores a session by OAuth in place of the account's previous one. Returns its number, which stays the same.
///
/// # Errors
/// As [`by_password`].
pub fn adopt(
    write: &Write<'_>,
    account: &Did,
    binding: &Binding,
    tokens: &NewTokens,
    proven_us: u64,
) -> Result<i64, StorageError> {
    let sql =
        "INSERT INTO pds_session (account, issuer, key, access, refresh, proven_us, begun_us)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
               ON CONFLICT (account) WHERE password IS NULL
               DO UPDATE SET issuer = ?2, key = ?3, access = ?4, refresh = ?5, proven_us = ?6, begun_us = ?6 RETURNING id";
    let NewTokens { access, refresh } = tokens;
    let parameters = (account.as_str(), &binding.issuer, &binding.key, access, refresh, proven_us.cast_signed());
    let id = write.first(sql, parameters, |row| row.get(0))?;
    id.ok_or_else(|| StorageError::failed("a session was not stored"))
}

/// Replaces the tokens of a session by those in `renewed`. Returns false if there is no such session any more.
///
/// # Errors
/// As [`by_password`].
pub fn update(write: &Write<'_>, renewed: &SessionRow, proven_us: u64) -> Result<bool, StorageError> {
    let sql = "UPDATE pds_session SET access = ?2, refresh = ?3, proven_us = ?4 WHERE id = ?1";
    let SessionRow { id, access, refresh, .. } = renewed;
    write.execute(sql, (id, access, refresh, proven_us.cast_signed())).map(|changed| changed > 0)
}

/// Writes the row of a session as it is: fails where its tokens could not be replaced.
///
/// # Errors
/// As [`by_password`].
pub fn touch(write: &Write<'_>, id: i64) -> Result<(), StorageError> {
    write.execute("UPDATE pds_session SET refresh = refresh WHERE id = ?1", [id]).map(drop)
}

/// Notes a confirmation of a session by the PDS.
///
/// # Errors
/// As [`by_password`].
pub fn prove(write: &Write<'_>, id: i64, proven_us: u64) -> Result<(), StorageError> {
    write.execute("UPDATE pds_session SET proven_us = ?2 WHERE id = ?1", (id, proven_us.cast_signed())).map(drop)
}

/// Forgets a session.
///
/// # Errors
/// As [`by_password`].
pub fn delete(write: &Write<'_>, id: i64) -> Result<(), StorageError> {
    write.execute("DELETE FROM pds_session WHERE id = ?1", [id]).map(drop)
}

/// Deletes one session of an account, or all if `id` is `None`. Returns them.
///
/// # Errors
/// As [`by_password`].
pub fn take(write: &Write<'_>, account: &Did, id: Option<i64>) -> Result<Vec<SessionRow>, StorageError> {
    let sql = "DELETE FROM pds_session WHERE account = ?1 AND id = coalesce(?2, id)
               RETURNING id, account, access, refresh, proven_us, issuer, key, begun_us";
    write.all(sql, (account.as_str(), id), session)
}

/// Returns all sessions, the most recently confirmed first.
///
/// # Errors
/// As [`by_password`].
pub fn list(read: &Read<'_>) -> Result<Vec<SessionSummary>, StorageError> {
    let sql = "SELECT id, account, proven_us, password IS NULL FROM pds_session ORDER BY proven_us DESC";
    read.all(sql, [], summary)
}

/// The sessions of an account, the one that was proven last first.
///
/// # Errors
/// As [`by_password`].
pub fn of_account(read: &Read<'_>, account: &Did) -> Result<Vec<SessionSummary>, StorageError> {
    let sql = "SELECT id, account, proven_us, password IS NULL FROM pds_session WHERE account = ?1";
    let mut sessions = read.all(sql, [account.as_str()], summary)?;
    sessions.sort_by_key(|session| Reverse(session.proven_us));
    Ok(sessions)
}

fn summary(row: &Row<'_>) -> rusqlite::Result<SessionSummary> {
    Ok(SessionSummary {
        id: row.get(0)?,
        account: row.parse(1, Did::parse)?,
        proven_us: row.number(2)?,
        by_oauth: row.get(3)?,
    })
}

/// Returns the number of sessions.
///
/// # Errors
/// As [`by_password`].
pub fn count(read: &Read<'_>) -> Result<u64, StorageError> {
    Ok(read.first("SELECT count(*) FROM pds_session", [], |row| row.number(0))?.unwrap_or_default())
}

/// Returns the time of the last confirmation of any session, microseconds since 1970.
///
/// # Errors
/// As [`by_password`].
pub fn last_proven_us(read: &Read<'_>) -> Result<Option<u64>, StorageError> {
    let newest = read.first("SELECT max(proven_us) FROM pds_session", [], |row| row.get::<_, Option<i64>>(0))?;
    Ok(newest.flatten().map(i64::cast_unsigned))
}

/// Forgets sessions that were not confirmed since `before_us`. Returns their number.
///
/// # Errors
/// As [`by_password`].
pub fn delete_unused(write: &Write<'_>, before_us: u64) -> Result<usize, StorageError> {
    write.execute("DELETE FROM pds_session WHERE proven_us < ?1", [before_us.cast_signed()])
}
