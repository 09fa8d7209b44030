//! The SQL of devices, and of programs that wait to become one.
//!
//! No other room has SQL for these tables, and none calls what is here: it is public for tests.

use rusqlite::{Row, params};

use atproto::syntax::Did;
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// A program that waits to become a device, as people are shown it.
#[derive(Clone, Debug)]
pub struct RequestRow {
    /// What the person compares.
    pub user_code: String,
    /// What it calls itself.
    pub name: String,
    /// Where it asked from, if that is known.
    pub address: Option<String>,
    /// When, microseconds since 1970.
    pub created_us: u64,
    /// Until when it may be let in.
    pub expires_us: u64,
}

/// The same as it is asked about by the program.
pub struct AskedRow {
    /// What people are shown.
    pub request: RequestRow,
    /// When the program asked last.
    pub polled_us: u64,
    /// How long it must wait between questions.
    pub interval_s: u64,
    /// Who let it in.
    pub account: Option<Did>,
    /// Whether somebody said no.
    pub is_denied: bool,
}

/// A device.
#[derive(Clone, Debug)]
pub struct DeviceRow {
    /// Names it to its owner.
    pub id: i64,
    /// For whom it acts.
    pub account: Did,
    /// What it calls itself.
    pub name: String,
    /// Where it asked from, if that was known.
    pub address: Option<String>,
    /// When it was let in, microseconds since 1970.
    pub created_us: u64,
    /// When it signed in last; 0: never.
    pub used_us: u64,
}

fn did(text: &str) -> Result<Did, StorageError> {
    Did::parse(text).map_err(|error| StorageError::Damaged(error.into()))
}

fn micros(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(index).map(i64::cast_unsigned)
}

fn request(row: &Row<'_>) -> rusqlite::Result<RequestRow> {
    Ok(RequestRow {
        user_code: row.get(0)?,
        name: row.get(1)?,
        address: row.get(2)?,
        created_us: micros(row, 3)?,
        expires_us: micros(row, 4)?,
    })
}

/// Forgets programs that nobody let in in time.
///
/// # Errors
/// When the database fails or holds what was never written; so below.
pub fn sweep(write: &Write<'_>, now_us: u64) -> Result<usize, StorageError> {
    write.execute("DELETE FROM device_request WHERE expires_us <= ?1", [now_us.cast_signed()])
}

/// Adds a program that waits, unless too many do, of all or of its address.
///
/// # Errors
/// As [`sweep`].
pub fn add_request(
    write: &Write<'_>,
    code: &[u8; 32],
    row: &RequestRow,
    interval_s: u64,
    (of_all, of_address): (u64, u64),
) -> Result<bool, StorageError> {
    let sql =
        "INSERT INTO device_request (code, user_code, name, address, created_us, expires_us, polled_us, interval_s)
               SELECT ?1, ?2, ?3, ?4, ?5, ?6, 0, ?7 WHERE (SELECT count(*) FROM device_request) < ?8
               AND (SELECT count(*) FROM device_request WHERE address IS ?4) < ?9 ON CONFLICT DO NOTHING";
    let (created, expires) = (row.created_us.cast_signed(), row.expires_us.cast_signed());
    let limits = (of_all.cast_signed(), of_address.cast_signed());
    let interval = interval_s.cast_signed();
    let parameters =
        params![code, row.user_code, row.name, row.address, created, expires, interval, limits.0, limits.1];
    Ok(write.execute(sql, parameters)? == 1)
}

/// The program with this code.
///
/// # Errors
/// As [`sweep`].
pub fn asked(read: &Read<'_>, code: &[u8; 32]) -> Result<Option<AskedRow>, StorageError> {
    let sql = "SELECT user_code, name, address, created_us, expires_us, polled_us, interval_s, account, denied
               FROM device_request WHERE code = ?1";
    let found = read.first(sql, [code], |row| {
        Ok((request(row)?, micros(row, 5)?, micros(row, 6)?, row.get::<_, Option<String>>(7)?, row.get(8)?))
    })?;
    let Some((request, polled_us, interval_s, account, is_denied)) = found else { return Ok(None) };
    let account = account.as_deref().map(did).transpose()?;
    Ok(Some(AskedRow { request, polled_us, interval_s, account, is_denied }))
}

/// Notes that a program asked.
///
/// # Errors
/// As [`sweep`].
pub fn polled(write: &Write<'_>, code: &[u8; 32], now_us: u64, interval_s: u64) -> Result<(), StorageError> {
    let sql = "UPDATE device_request SET polled_us = ?2, interval_s = ?3 WHERE code = ?1";
    write.execute(sql, (code, now_us.cast_signed(), interval_s.cast_signed())).map(drop)
}

/// Forgets a program.
///
/// # Errors
/// As [`sweep`].
pub fn drop_request(write: &Write<'_>, code: &[u8; 32]) -> Result<(), StorageError> {
    write.execute("DELETE FROM device_request WHERE code = ?1", [code]).map(drop)
}

/// The program that waits with this code for people, undecided.
///
/// # Errors
/// As [`sweep`].
pub fn waiting(read: &Read<'_>, user_code: &str, now_us: u64) -> Result<Option<RequestRow>, StorageError> {
    let sql = "SELECT user_code, name, address, created_us, expires_us FROM device_request
               WHERE user_code = ?1 AND expires_us > ?2 AND account IS NULL AND denied = 0";
    read.first(sql, (user_code, now_us.cast_signed()), request)
}

/// Notes what somebody decided of a program that waits undecided; answers whether there is one.
///
/// # Errors
/// As [`sweep`].
pub fn decide(
    write: &Write<'_>,
    user_code: &str,
    account: &Did,
    is_let_in: bool,
    now_us: u64,
) -> Result<bool, StorageError> {
    let sql = "UPDATE device_request SET account = ?2, denied = ?3
               WHERE user_code = ?1 AND expires_us > ?4 AND account IS NULL AND denied = 0";
    let account = is_let_in.then_some(account.as_str());
    Ok(write.execute(sql, (user_code, account, !is_let_in, now_us.cast_signed()))? == 1)
}

/// Adds a device.
///
/// # Errors
/// As [`sweep`].
pub fn add_device(
    write: &Write<'_>,
    account: &Did,
    secret: &[u8; 32],
    row: &RequestRow,
    now_us: u64,
) -> Result<(), StorageError> {
    let sql = "INSERT INTO device (account, secret, name, address, created_us, used_us) VALUES (?1, ?2, ?3, ?4, ?5, 0)";
    write.execute(sql, (account.as_str(), secret, &row.name, &row.address, now_us.cast_signed())).map(drop)
}

type Columns = (i64, String, String, Option<String>, u64, u64);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, micros(row, 4)?, micros(row, 5)?))
}

fn device((id, account, name, address, created_us, used_us): Columns) -> Result<DeviceRow, StorageError> {
    Ok(DeviceRow { id, account: did(&account)?, name, address, created_us, used_us })
}

/// The device with this secret.
///
/// # Errors
/// As [`sweep`].
pub fn by_secret(read: &Read<'_>, secret: &[u8; 32]) -> Result<Option<DeviceRow>, StorageError> {
    let sql = "SELECT id, account, name, address, created_us, used_us FROM device WHERE secret = ?1";
    read.first(sql, [secret], columns)?.map(device).transpose()
}

/// The devices of an account, the newest first.
///
/// # Errors
/// As [`sweep`].
pub fn of_account(read: &Read<'_>, account: &Did) -> Result<Vec<DeviceRow>, StorageError> {
    let sql = "SELECT id, account, name, address, created_us, used_us FROM device WHERE account = ?1 ORDER BY id DESC";
    read.all(sql, [account.as_str()], columns)?.into_iter().map(device).collect()
}

/// The most devices that are listed of all accounts.
const MAX_LISTED: i64 = 1_000;

/// The newest devices of all accounts, the newest first.
///
/// # Errors
/// As [`sweep`].
pub fn newest(read: &Read<'_>) -> Result<Vec<DeviceRow>, StorageError> {
    let sql = "SELECT id, account, name, address, created_us, used_us FROM device ORDER BY id DESC LIMIT ?1";
    read.all(sql, [MAX_LISTED], columns)?.into_iter().map(device).collect()
}

/// Takes a device out, whosever it is; answers it.
///
/// # Errors
/// As [`sweep`].
pub fn take(write: &Write<'_>, id: i64) -> Result<Option<DeviceRow>, StorageError> {
    let sql = "DELETE FROM device WHERE id = ?1 RETURNING id, account, name, address, created_us, used_us";
    write.first(sql, [id], columns)?.map(device).transpose()
}

/// Whether an account has this device.
///
/// # Errors
/// As [`sweep`].
pub fn has(read: &Read<'_>, account: &Did, id: i64) -> Result<bool, StorageError> {
    let sql = "SELECT 1 FROM device WHERE account = ?1 AND id = ?2";
    Ok(read.first(sql, (account.as_str(), id), |_| Ok(()))?.is_some())
}

/// Programs that an account let in and that have no secret yet.
///
/// # Errors
/// As [`sweep`].
pub fn let_in_by(read: &Read<'_>, account: &Did) -> Result<Vec<RequestRow>, StorageError> {
    let sql = "SELECT user_code, name, address, created_us, expires_us FROM device_request WHERE account = ?1";
    read.all(sql, [account.as_str()], request)
}

/// Whether any device acts for an account, or was let in and has no secret yet.
///
/// # Errors
/// As [`sweep`].
pub fn act_for(read: &Read<'_>, account: &Did, now_us: u64) -> Result<bool, StorageError> {
    let sql = "SELECT 1 FROM device WHERE account = ?1
               UNION ALL SELECT 1 FROM device_request WHERE account = ?1 AND expires_us > ?2 LIMIT 1";
    Ok(read.first(sql, (account.as_str(), now_us.cast_signed()), |_| Ok(()))?.is_some())
}

/// How many devices an account has.
///
/// # Errors
/// As [`sweep`].
pub fn count(read: &Read<'_>, account: &Did) -> Result<u64, StorageError> {
    let sql = "SELECT count(*) FROM device WHERE account = ?1";
    Ok(read.first(sql, [account.as_str()], |row| micros(row, 0))?.unwrap_or_default())
}

/// How many devices each account has.
///
/// # Errors
/// As [`sweep`].
pub fn by_account(read: &Read<'_>) -> Result<Vec<(Did, u64)>, StorageError> {
    let sql = "SELECT account, count(*) FROM device GROUP BY account";
    let rows = read.all(sql, [], |row| Ok((row.get::<_, String>(0)?, micros(row, 1)?)))?;
    rows.into_iter().map(|(account, count)| Ok((did(&account)?, count))).collect()
}

/// Forgets all devices of an account, and those that were let in and have no secret yet.
///
/// # Errors
/// As [`sweep`].
pub fn forget(write: &Write<'_>, account: &Did) -> Result<(), StorageError> {
    write.execute("DELETE FROM device_request WHERE account = ?1", [account.as_str()])?;
    write.execute("DELETE FROM device WHERE account = ?1", [account.as_str()]).map(drop)
}

/// Notes that a device signed in.
///
/// # Errors
/// As [`sweep`].
pub fn used(write: &Write<'_>, id: i64, now_us: u64) -> Result<(), StorageError> {
    write.execute("UPDATE device SET used_us = ?2 WHERE id = ?1", (id, now_us.cast_signed())).map(drop)
}

/// Forgets a device of an account; answers whether there was one.
///
/// # Errors
/// As [`sweep`].
pub fn revoke(write: &Write<'_>, account: &Did, id: i64) -> Result<bool, StorageError> {
    Ok(write.execute("DELETE FROM device WHERE account = ?1 AND id = ?2", (account.as_str(), id))? == 1)
}
