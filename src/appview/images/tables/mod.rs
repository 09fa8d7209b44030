//! The SQL of notices.
//!
//! No other room has SQL for these tables, and none calls these functions: they are public for tests.

pub mod referrers;
pub mod refused;

use std::collections::BTreeSet;

use rusqlite::Row;

use crate::accounts::Login;
use atproto::syntax::{Did, Digest, HoldId};
use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

/// A notice to a hold.
#[derive(Clone, Debug)]
pub struct NoticeRow {
    /// Number of the notice.
    pub id: i64,
    /// Account of the manifest, and the session for the call.
    pub login: Login,
    /// Hold that is to be notified.
    pub hold: HoldId,
    /// The input of `notifyManifest`, as JSON.
    pub notice: String,
    /// Number of failed attempts of the queue.
    pub attempts: u32,
    /// Time of the next attempt, microseconds since 1970.
    pub due_us: u64,
    /// Time of the notice, microseconds since 1970.
    pub queued_us: u64,
}

/// A notice in the queue.
#[derive(Clone, Debug)]
pub struct WaitingNotice {
    /// Number of the notice.
    pub id: i64,
    /// Account of the manifest's owner.
    pub account: Did,
    /// Hold that is to be notified.
    pub hold: HoldId,
    /// The repository; empty when the notice cannot be read.
    pub repository: String,
    /// The digest of the manifest; empty when the notice cannot be read.
    pub manifest: String,
    /// Number of failed attempts of the queue.
    pub attempts: u32,
    /// Time of the next attempt, microseconds since 1970.
    pub due_us: u64,
    /// Time of the notice, microseconds since 1970.
    pub queued_us: u64,
    /// Error of the last attempt.
    pub problem: Option<String>,
}

/// Totals of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueTotals {
    /// Number of notices.
    pub waiting: u64,
    /// Time of the oldest notice, microseconds since 1970.
    pub oldest_us: Option<u64>,
}

/// Number of due notices that are read at once.
const MAX_DUE: i64 = 50;

/// Adds a notice. Returns its number.
///
/// # Errors
/// When the database fails or has an invalid row; the same below.
pub fn insert(write: &Write<'_>, row: &NoticeRow) -> Result<i64, StorageError> {
    let sql = "INSERT INTO notice (account, session, hold, notice, attempts, due_us, queued_us)
               VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6) RETURNING id";
    let login = &row.login;
    let (due_us, queued_us) = (row.due_us.cast_signed(), row.queued_us.cast_signed());
    let parameters = (login.account.as_str(), login.session, row.hold.as_str(), &row.notice, due_us, queued_us);
    write.first(sql, parameters, |row| row.get(0))?.ok_or_else(|| StorageError::failed("a notice was not stored"))
}

/// Removes a notice. Returns whether there was one.
///
/// # Errors
/// As [`insert`].
pub fn delete(write: &Write<'_>, id: i64) -> Result<bool, StorageError> {
    write.execute("DELETE FROM notice WHERE id = ?1", [id]).map(|deleted| deleted > 0)
}

/// Removes a notice that its hold took.
///
/// # Errors
/// As [`insert`].
pub fn told(write: &Write<'_>, id: i64) -> Result<(), StorageError> {
    refused::delete_told(write, id)?;
    delete(write, id).map(drop)
}

/// Removes all notices of an account.
///
/// # Errors
/// As [`insert`].
pub fn delete_of(write: &Write<'_>, account: &Did) -> Result<(), StorageError> {
    write.execute("DELETE FROM notice WHERE account = ?1", [account.as_str()]).map(drop)
}

/// Removes the notices of one manifest of an account.
///
/// # Errors
/// As [`insert`].
pub fn withdraw(write: &Write<'_>, account: &Did, manifest: &Digest) -> Result<(), StorageError> {
    let sql = "DELETE FROM notice WHERE account = ?1 AND notice ->> 'manifestDigest' = ?2";
    write.execute(sql, (account.as_str(), manifest.to_string())).map(drop)
}

/// The due notices to one hold: of all accounts, or of one.
#[derive(Clone, Copy, Debug)]
pub struct DueAt<'d> {
    /// Hold that is to be notified.
    pub hold: &'d HoldId,
    /// Account of the notices; `None`: all.
    pub account: Option<&'d Did>,
    /// Current time, microseconds since 1970.
    pub now_us: u64,
}

/// Postpones due notices until `until_us`, after an attempt that failed with `problem`. Returns their number.
///
/// # Errors
/// As [`insert`].
pub fn put_off(write: &Write<'_>, due: DueAt<'_>, until_us: u64, problem: &str) -> Result<usize, StorageError> {
    let sql = "UPDATE notice SET attempts = attempts + 1, due_us = ?4, problem = ?5
               WHERE hold = ?1 AND due_us <= ?2 AND account = coalesce(?3, account)";
    let (account, now_us) = (due.account.map(Did::as_str), due.now_us.cast_signed());
    write.execute(sql, (due.hold.as_str(), now_us, account, until_us.cast_signed(), problem))
}

/// A notice that was tried many times.
#[derive(Clone, Debug)]
pub struct TriedNotice {
    /// Number of the notice.
    pub id: i64,
    /// Account of the manifest.
    pub account: String,
    /// Digest of the manifest; empty when the notice cannot be read.
    pub manifest: String,
}

/// Returns the due notices with `attempts` attempts or more.
///
/// # Errors
/// As [`insert`].
pub fn tried(read: &Read<'_>, due: DueAt<'_>, attempts: u32) -> Result<Vec<TriedNotice>, StorageError> {
    let sql = "SELECT id, account, coalesce(notice ->> 'manifestDigest', '') FROM notice
               WHERE hold = ?1 AND due_us <= ?2 AND account = coalesce(?3, account) AND attempts >= ?4";
    let (account, now_us) = (due.account.map(Did::as_str), due.now_us.cast_signed());
    read.all(sql, (due.hold.as_str(), now_us, account, attempts), |row| {
        Ok(TriedNotice { id: row.get(0)?, account: row.get(1)?, manifest: row.get(2)? })
    })
}

/// Makes the notices due at `now_us` that are due after `after_us`. Returns their number.
///
/// # Errors
/// As [`insert`].
pub fn bring_forward(write: &Write<'_>, now_us: u64, after_us: u64) -> Result<usize, StorageError> {
    let sql = "UPDATE notice SET due_us = ?1 WHERE due_us > ?2";
    write.execute(sql, (now_us.cast_signed(), after_us.cast_signed()))
}

/// Makes all notices due. Returns their number.
///
/// # Errors
/// As [`insert`].
pub fn make_due(write: &Write<'_>, now_us: u64) -> Result<usize, StorageError> {
    write.execute("UPDATE notice SET due_us = ?1", [now_us.cast_signed()])
}

/// Makes all notices of an account due, before those of others. Returns the holds they are for.
///
/// # Errors
/// As [`insert`].
pub fn make_due_of(write: &Write<'_>, account: &Did) -> Result<Vec<HoldId>, StorageError> {
    let sql = "UPDATE notice SET due_us = 0 WHERE account = ?1 RETURNING hold";
    let holds: BTreeSet<String> = write.all(sql, [account.as_str()], |row| row.get(0))?.into_iter().collect();
    let hold = |text: &String| HoldId::parse(text).map_err(|error| StorageError::Damaged(error.into()));
    holds.iter().map(hold).collect()
}

/// Returns the holds with due notices.
///
/// # Errors
/// As [`insert`].
pub fn due_holds(read: &Read<'_>, now_us: u64) -> Result<Vec<HoldId>, StorageError> {
    let sql = "WITH RECURSIVE holds (hold) AS (
                 SELECT min(hold) FROM notice
                 UNION ALL SELECT (SELECT min(hold) FROM notice WHERE notice.hold > holds.hold) FROM holds
                 WHERE holds.hold IS NOT NULL)
               SELECT hold FROM holds WHERE EXISTS (SELECT 1 FROM notice WHERE notice.hold = holds.hold AND due_us <= ?1)";
    read.all(sql, [now_us.cast_signed()], |row| row.parse(0, HoldId::parse))
}

/// Returns the first due notices to a hold.
///
/// # Errors
/// As [`insert`].
pub fn due(read: &Read<'_>, hold: &HoldId, now_us: u64) -> Result<Vec<NoticeRow>, StorageError> {
    let sql = "SELECT id, account, session, hold, notice, attempts, due_us, queued_us FROM notice
               WHERE hold = ?1 AND due_us <= ?2 ORDER BY due_us LIMIT ?3";
    read.all(sql, (hold.as_str(), now_us.cast_signed(), MAX_DUE), |row| {
        Ok(NoticeRow {
            id: row.get(0)?,
            login: Login { account: row.parse(1, Did::parse)?, session: row.get(2)? },
            hold: row.parse(3, HoldId::parse)?,
            notice: row.get(4)?,
            attempts: row.get(5)?,
            due_us: row.number(6)?,
            queued_us: row.number(7)?,
        })
    })
}

/// Maximum number of notices in a list.
const MAX_LISTED: i64 = 1_000;

/// Returns the notices of all accounts, the oldest first.
///
/// # Errors
/// As [`insert`].
pub fn waiting(read: &Read<'_>) -> Result<Vec<WaitingNotice>, StorageError> {
    let sql = "SELECT id, account, hold, notice ->> 'repository', notice ->> 'manifestDigest', attempts, due_us,
               queued_us, problem FROM notice ORDER BY queued_us LIMIT ?1";
    read.all(sql, [MAX_LISTED], waiting_notice)
}

/// Returns the notices of an account, the oldest first.
///
/// # Errors
/// As [`insert`].
pub fn waiting_of(read: &Read<'_>, account: &Did) -> Result<Vec<WaitingNotice>, StorageError> {
    let sql = "SELECT id, account, hold, notice ->> 'repository', notice ->> 'manifestDigest', attempts, due_us,
               queued_us, problem FROM notice WHERE account = ?1 ORDER BY id";
    read.all(sql, [account.as_str()], waiting_notice)
}

fn waiting_notice(row: &Row<'_>) -> rusqlite::Result<WaitingNotice> {
    Ok(WaitingNotice {
        id: row.get(0)?,
        account: row.parse(1, Did::parse)?,
        hold: row.parse(2, HoldId::parse)?,
        repository: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
        manifest: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
        attempts: row.get(5)?,
        due_us: row.number(6)?,
        queued_us: row.number(7)?,
        problem: row.get(8)?,
    })
}

/// What an account has in the queue.
#[derive(Clone, Copy, Debug, Default)]
pub struct QueueShare {
    /// Number of notices.
    pub notices: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Returns what an account has in the queue.
///
/// # Errors
/// As [`insert`].
pub fn share_of(read: &Read<'_>, account: &Did) -> Result<QueueShare, StorageError> {
    let sql = "SELECT count(*), coalesce(sum(octet_length(notice)), 0) FROM notice WHERE account = ?1";
    let share = |row: &Row<'_>| Ok(QueueShare { notices: row.number(0)?, bytes: row.number(1)? });
    Ok(read.first(sql, [account.as_str()], share)?.unwrap_or_default())
}

/// Returns the number of notices of each account.
///
/// # Errors
/// As [`insert`].
pub fn by_account(read: &Read<'_>) -> Result<Vec<(Did, u64)>, StorageError> {
    read.of_accounts("SELECT account, count(*) FROM notice GROUP BY account", [])
}

/// Returns the totals of the queue.
///
/// # Errors
/// As [`insert`].
pub fn totals(read: &Read<'_>) -> Result<QueueTotals, StorageError> {
    let totals = read.first("SELECT count(*), min(queued_us) FROM notice", [], |row| {
        Ok(QueueTotals { waiting: row.number(0)?, oldest_us: row.number_or_null(1)? })
    })?;
    Ok(totals.unwrap_or_default())
}
