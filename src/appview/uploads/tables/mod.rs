//! The SQL of uploads and their parts.
//!
//! No other room has SQL for these tables, and none calls this module: it is public for tests.

use crate::accounts::Login;
use crate::holds::UploadAtHold;
use crate::uploads::UploadId;
use atproto::syntax::{Did, HoldId};
use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

/// The row of an open upload.
#[derive(Clone, Debug)]
pub struct UploadRow {
    /// The upload's id.
    pub id: UploadId,
    /// The repository, without its owner.
    pub repository: String,
    /// The upload at the hold that gets the blob.
    pub at_hold: UploadAtHold,
    /// Bytes received so far.
    pub offset: u64,
    /// Bytes of these that were sent to the hold.
    pub sent: u64,
    /// The state of the unfinished SHA-256 of all received bytes.
    pub hash_state: Vec<u8>,
    /// Time when the upload last grew, microseconds since 1970.
    pub touched_us: u64,
}

/// A part that the hold has.
#[derive(Clone, Debug)]
pub struct PartRow {
    /// The part's number, from 1.
    pub number: usize,
    /// The ETag that the hold returned.
    pub etag: String,
}

/// An open upload.
#[derive(Clone, Debug)]
pub struct UploadSummary {
    /// The upload's id.
    pub id: UploadId,
    /// The account that uploads.
    pub account: Did,
    /// The repository, without its owner.
    pub repository: String,
    /// The hold that gets the blob.
    pub hold: HoldId,
    /// Bytes received so far.
    pub offset: u64,
    /// Bytes of these that were sent to the hold.
    pub sent: u64,
    /// Time when the upload last grew, microseconds since 1970.
    pub touched_us: u64,
}

/// Totals of the open uploads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UploadTotals {
    /// Number of open uploads.
    pub open: u64,
    /// Bytes that they have received.
    pub bytes: u64,
}

/// Returns an upload with the ETags of its parts, in order.
///
/// # Errors
/// When the database fails or has invalid data.
pub fn upload(read: &Read<'_>, id: &UploadId) -> Result<Option<(UploadRow, Vec<String>)>, StorageError> {
    let sql =
        "SELECT account, session, repository, hold, hold_upload, offset_bytes, sent_bytes, hash_state, touched_us,
               any_length FROM upload WHERE id = ?1";
    let found = read.first(sql, [id], |row| {
        Ok(UploadRow {
            id: *id,
            repository: row.get(2)?,
            at_hold: UploadAtHold {
                hold: row.parse(3, HoldId::parse)?,
                login: Login { account: row.parse(0, Did::parse)?, session: row.get(1)? },
                id: row.get(4)?,
                any_length: row.get(9)?,
            },
            offset: row.number(5)?,
            sent: row.number(6)?,
            hash_state: row.get(7)?,
            touched_us: row.number(8)?,
        })
    })?;
    let Some(row) = found else { return Ok(None) };
    let sql = "SELECT etag FROM upload_part WHERE upload = ?1 ORDER BY number";
    Ok(Some((row, read.all(sql, [id], |row| row.get(0))?)))
}

/// Adds an upload.
///
/// # Errors
/// As [`upload`].
pub fn insert(write: &Write<'_>, row: &UploadRow) -> Result<(), StorageError> {
    let sql = "INSERT INTO upload (id, account, session, repository, hold, hold_upload, offset_bytes, sent_bytes,
               hash_state, touched_us, any_length) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7, ?8, ?9)";
    let UploadAtHold { hold, login, id, any_length } = &row.at_hold;
    let parameters = (
        row.id,
        login.account.as_str(),
        login.session,
        &row.repository,
        hold.as_str(),
        id,
        &row.hash_state,
        row.touched_us.cast_signed(),
        any_length,
    );
    write.execute(sql, parameters).map(drop)
}

/// Updates the offsets, the hash state and the time of an upload, and adds its newest part if there is one. Returns
/// `false` when the upload is gone.
///
/// # Errors
/// As [`upload`].
pub fn update(write: &Write<'_>, row: &UploadRow, part: Option<&PartRow>) -> Result<bool, StorageError> {
    let sql = "UPDATE upload SET offset_bytes = ?2, sent_bytes = ?3, hash_state = ?4, touched_us = ?5 WHERE id = ?1";
    let (offset, sent) = (row.offset.cast_signed(), row.sent.cast_signed());
    if write.execute(sql, (row.id, offset, sent, &row.hash_state, row.touched_us.cast_signed()))? == 0 {
        return Ok(false);
    }
    if let Some(part) = part {
        let sql = "INSERT INTO upload_part (upload, number, etag) VALUES (?1, ?2, ?3)";
        write.execute(sql, (row.id, i64::try_from(part.number).unwrap_or(i64::MAX), &part.etag))?;
    }
    Ok(true)
}

/// Deletes an upload with its parts.
///
/// # Errors
/// As [`upload`].
pub fn delete(write: &Write<'_>, id: &UploadId) -> Result<(), StorageError> {
    write.execute("DELETE FROM upload WHERE id = ?1", [id]).map(drop)
}

/// Times of the last growth of uploads that are stale, microseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Stale {
    /// Before this time.
    pub before_us: u64,
    /// Before this time, which is later, of uploads without any byte.
    pub empty_before_us: u64,
    /// After this time, which is to come: of a clock that was ahead.
    pub after_us: u64,
}

/// Returns the stale uploads.
///
/// # Errors
/// As [`upload`].
pub fn stale(read: &Read<'_>, times: Stale) -> Result<Vec<UploadId>, StorageError> {
    let sql = "SELECT id FROM upload
               WHERE (touched_us < ?2 AND (touched_us < ?1 OR offset_bytes = 0)) OR touched_us > ?3";
    let Stale { before_us, empty_before_us, after_us } = times;
    read.all(sql, [before_us, empty_before_us, after_us].map(u64::cast_signed), |row| row.get(0))
}

/// Whether an upload is one of [`stale`].
///
/// # Errors
/// As [`upload`].
pub fn is_stale(read: &Read<'_>, id: &UploadId, times: Stale) -> Result<bool, StorageError> {
    let sql = "SELECT 1 FROM upload
               WHERE id = ?1 AND (touched_us < ?2 OR (touched_us < ?3 AND offset_bytes = 0) OR touched_us > ?4)";
    let Stale { before_us, empty_before_us, after_us } = times;
    let [before_us, empty_before_us, after_us] = [before_us, empty_before_us, after_us].map(u64::cast_signed);
    Ok(read.first(sql, (id, before_us, empty_before_us, after_us), |_| Ok(()))?.is_some())
}

/// Whether there is an upload with this id.
///
/// # Errors
/// As [`upload`].
pub fn has(read: &Read<'_>, id: &UploadId) -> Result<bool, StorageError> {
    Ok(read.first("SELECT 1 FROM upload WHERE id = ?1", [id], |_| Ok(()))?.is_some())
}

/// Numbers of open uploads.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenCounts {
    /// Of one account.
    pub own: u64,
    /// Of all accounts.
    pub all: u64,
}

/// Returns the number of open uploads of an account, and of all accounts.
///
/// # Errors
/// As [`upload`].
pub fn count(read: &Read<'_>, account: &Did) -> Result<OpenCounts, StorageError> {
    let sql = "SELECT (SELECT count(*) FROM upload WHERE account = ?1), (SELECT count(*) FROM upload)";
    let counts = |row: &rusqlite::Row<'_>| Ok(OpenCounts { own: row.number(0)?, all: row.number(1)? });
    Ok(read.first(sql, [account.as_str()], counts)?.unwrap_or_default())
}

/// Returns the number of open uploads of each account.
///
/// # Errors
/// As [`upload`].
pub fn by_account(read: &Read<'_>) -> Result<Vec<(Did, u64)>, StorageError> {
    read.of_accounts("SELECT account, count(*) FROM upload GROUP BY account", [])
}

/// Returns the number of an account's bytes on this disk.
///
/// # Errors
/// As [`upload`].
pub fn spooled_bytes(read: &Read<'_>, account: &Did) -> Result<u64, StorageError> {
    let sql = "SELECT coalesce(sum(offset_bytes - sent_bytes), 0) FROM upload WHERE account = ?1";
    Ok(read.first(sql, [account.as_str()], |row| row.number(0))?.unwrap_or_default())
}

/// Most uploads in a list.
const MAX_LISTED: i64 = 1_000;

/// Returns the open uploads, the longest idle first.
///
/// # Errors
/// As [`upload`].
pub fn list(read: &Read<'_>) -> Result<Vec<UploadSummary>, StorageError> {
    let sql = "SELECT id, account, repository, hold, offset_bytes, sent_bytes, touched_us FROM upload
               ORDER BY touched_us LIMIT ?1";
    read.all(sql, [MAX_LISTED], summary)
}

/// Returns the open uploads of an account.
///
/// # Errors
/// As [`upload`].
pub fn of_account(read: &Read<'_>, account: &Did) -> Result<Vec<UploadSummary>, StorageError> {
    let sql =
        "SELECT id, account, repository, hold, offset_bytes, sent_bytes, touched_us FROM upload WHERE account = ?1";
    read.all(sql, [account.as_str()], summary)
}

fn summary(row: &rusqlite::Row<'_>) -> rusqlite::Result<UploadSummary> {
    Ok(UploadSummary {
        id: row.get(0)?,
        account: row.parse(1, Did::parse)?,
        repository: row.get(2)?,
        hold: row.parse(3, HoldId::parse)?,
        offset: row.number(4)?,
        sent: row.number(5)?,
        touched_us: row.number(6)?,
    })
}

/// Returns the number of open uploads and their bytes.
///
/// # Errors
/// As [`upload`].
pub fn totals(read: &Read<'_>) -> Result<UploadTotals, StorageError> {
    let totals = read.first("SELECT count(*), coalesce(sum(offset_bytes), 0) FROM upload", [], |row| {
        Ok(UploadTotals { open: row.number(0)?, bytes: row.number(1)? })
    })?;
    Ok(totals.unwrap_or_default())
}
