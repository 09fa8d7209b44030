//! The SQL of notices.
//!
//! No other room has SQL for this table, and none calls what is here: it is public for tests.

use crate::accounts::Login;
use atproto::syntax::{Did, ServiceUrl, SyntaxError};
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// What a hold is still to be told.
#[derive(Clone, Debug)]
pub struct NoticeRow {
    /// Its number.
    pub id: i64,
    /// By whom.
    pub login: Login,
    /// Which hold.
    pub hold: ServiceUrl,
    /// The input of `notifyManifest`, as JSON.
    pub notice: String,
    /// How often the queue has tried.
    pub attempts: u32,
    /// When it tries again, microseconds since 1970.
    pub due_us: u64,
}

/// Notices that are looked at together.
const MAX_DUE: i64 = 50;

/// Adds a notice; answers its number.
///
/// # Errors
/// When the database fails or holds what was never written; so below.
pub fn insert(write: &Write<'_>, row: &NoticeRow) -> Result<i64, StorageError> {
    let sql = "INSERT INTO notice (account, session, hold, notice, attempts, due_us) VALUES (?1, ?2, ?3, ?4, 0, ?5)
               RETURNING id";
    let login = &row.login;
    let parameters = (login.account.as_str(), login.session, row.hold.as_str(), &row.notice, row.due_us.cast_signed());
    write.first(sql, parameters, |row| row.get(0))?.ok_or_else(|| StorageError::failed("a notice was not stored"))
}

/// Forgets a notice.
///
/// # Errors
/// As [`insert`].
pub fn delete(write: &Write<'_>, id: i64) -> Result<(), StorageError> {
    write.execute("DELETE FROM notice WHERE id = ?1", [id]).map(drop)
}

/// Puts a notice off after one more attempt.
///
/// # Errors
/// As [`insert`].
pub fn put_off(write: &Write<'_>, id: i64, due_us: u64) -> Result<(), StorageError> {
    let sql = "UPDATE notice SET attempts = attempts + 1, due_us = ?2 WHERE id = ?1";
    write.execute(sql, (id, due_us.cast_signed())).map(drop)
}

/// The first notices that are due.
///
/// # Errors
/// As [`insert`].
pub fn due(read: &Read<'_>, now_us: u64) -> Result<Vec<NoticeRow>, StorageError> {
    let sql = "SELECT id, account, session, hold, notice, attempts, due_us FROM notice WHERE due_us <= ?1
               ORDER BY due_us LIMIT ?2";
    let rows = read.all(sql, (now_us.cast_signed(), MAX_DUE), |row| {
        let texts: (String, String, String) = (row.get(1)?, row.get(3)?, row.get(4)?);
        Ok((row.get(0)?, texts, row.get(2)?, row.get(5)?, row.get::<_, i64>(6)?))
    })?;
    let damaged = |error: SyntaxError| StorageError::Damaged(error.into());
    let notice =
        |(id, (account, hold, notice), session, attempts, due_us): (i64, (String, String, String), i64, u32, i64)| {
            Ok(NoticeRow {
                id,
                login: Login { account: Did::parse(&account).map_err(damaged)?, session },
                hold: ServiceUrl::parse(&hold).map_err(damaged)?,
                notice,
                attempts,
                due_us: due_us.cast_unsigned(),
            })
        };
    rows.into_iter().map(notice).collect()
}
