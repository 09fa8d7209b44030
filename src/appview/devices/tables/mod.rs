//! The SQL of devices, and of the requests for them.
//!
//! No other room has SQL for these tables, and none calls these functions: they are public for tests.

use std::net::IpAddr;

use rusqlite::{Row, params};

use atproto::syntax::Did;
use server::sqlite::{Columns as _, Read, Write, row_limit};
use server::storage::StorageError;

/// A request of a program that wants to become a device.
#[derive(Clone, Debug)]
pub struct RequestRow {
    /// Code that the person compares.
    pub user_code: String,
    /// Name that the program gave.
    pub name: String,
    /// Address of the program, if it is known.
    pub address: Option<String>,
    /// Time of the request, microseconds since 1970.
    pub created_us: u64,
    /// Time of expiry, microseconds since 1970.
    pub expires_us: u64,
}

/// A request, with its state for polls.
pub struct AskedRow {
    /// The request.
    pub request: RequestRow,
    /// Time of the last poll, microseconds since 1970; 0: never.
    pub polled_us: u64,
    /// Minimum interval between polls, in seconds.
    pub interval_s: u64,
    /// Account that approved the request.
    pub account: Option<Did>,
    /// Whether a person denied the request.
    pub is_denied: bool,
}

/// A device.
#[derive(Clone, Debug)]
pub struct DeviceRow {
    /// Number of the device.
    pub id: i64,
    /// Account that the device acts for.
    pub account: Did,
    /// Name that the program gave.
    pub name: String,
    /// Address of the program at its request, if it was known.
    pub address: Option<String>,
    /// Time of creation, microseconds since 1970.
    pub created_us: u64,
    /// Time of the last sign-in, microseconds since 1970; 0: never.
    pub used_us: u64,
}

fn request(row: &Row<'_>) -> rusqlite::Result<RequestRow> {
    Ok(RequestRow {
        user_code: row.get(0)?,
        name: row.get(1)?,
        address: row.get(2)?,
        created_us: row.number(3)?,
        expires_us: row.number(4)?,
    })
}

/// Forgets expired requests. Returns their number.
///
/// # Errors
/// When the database fails or has an invalid row; the same below.
pub fn sweep(write: &Write<'_>, now_us: u64) -> Result<usize, StorageError> {
    write.execute("DELETE FROM device_request WHERE expires_us <= ?1", [now_us.cast_signed()])
}

/// Returns the addresses of the requests, where they are known.
///
/// # Errors
/// As [`sweep`].
pub fn addresses(read: &Read<'_>) -> Result<Vec<Option<IpAddr>>, StorageError> {
    let addresses = read.all("SELECT address FROM device_request", [], |row| row.get::<_, Option<String>>(0))?;
    Ok(addresses.into_iter().map(|address| address?.parse().ok()).collect())
}

/// Adds a request, and returns `true`, unless there are `limit` of them, or the user code is taken.
///
/// # Errors
/// As [`sweep`].
pub fn add_request(
    write: &Write<'_>,
    code: &[u8; 32],
    row: &RequestRow,
    interval_s: u64,
    limit: u64,
) -> Result<bool, StorageError> {
    let sql =
        "INSERT INTO device_request (code, user_code, name, address, created_us, expires_us, polled_us, interval_s)
               SELECT ?1, ?2, ?3, ?4, ?5, ?6, 0, ?7 WHERE (SELECT count(*) FROM device_request) < ?8
               ON CONFLICT DO NOTHING";
    let (created, expires) = (row.created_us.cast_signed(), row.expires_us.cast_signed());
    let (interval, limit) = (interval_s.cast_signed(), row_limit(limit));
    let parameters = params![code, row.user_code, row.name, row.address, created, expires, interval, limit];
    Ok(write.execute(sql, parameters)? == 1)
}

/// Returns the request with this device code, by the code's SHA-256.
///
/// # Errors
/// As [`sweep`].
pub fn asked(read: &Read<'_>, code: &[u8; 32]) -> Result<Option<AskedRow>, StorageError> {
    let sql = "SELECT user_code, name, address, created_us, expires_us, polled_us, interval_s, account, denied
               FROM device_request WHERE code = ?1";
    read.first(sql, [code], |row| {
        Ok(AskedRow {
            request: request(row)?,
            polled_us: row.number(5)?,
            interval_s: row.number(6)?,
            account: row.parse_or_null(7, Did::parse)?,
            is_denied: row.get(8)?,
        })
    })
}

/// Notes a poll, and the interval from now on.
///
/// # Errors
/// As [`sweep`].
pub fn polled(write: &Write<'_>, code: &[u8; 32], now_us: u64, interval_s: u64) -> Result<(), StorageError> {
    let sql = "UPDATE device_request SET polled_us = ?2, interval_s = ?3 WHERE code = ?1";
    write.execute(sql, (code, now_us.cast_signed(), interval_s.cast_signed())).map(drop)
}

/// Forgets a request.
///
/// # Errors
/// As [`sweep`].
pub fn drop_request(write: &Write<'_>, code: &[u8; 32]) -> Result<(), StorageError> {
    write.execute("DELETE FROM device_request WHERE code = ?1", [code]).map(drop)
}

/// Returns the request with this user code that waits for a decision and has not expired.
///
/// # Errors
/// As [`sweep`].
pub fn waiting(read: &Read<'_>, user_code: &str, now_us: u64) -> Result<Option<RequestRow>, StorageError> {
    let sql = "SELECT user_code, name, address, created_us, expires_us FROM device_request
               WHERE user_code = ?1 AND expires_us > ?2 AND account IS NULL AND denied = 0";
    read.first(sql, (user_code, now_us.cast_signed()), request)
}

/// Notes the decision about a request that waits, or for which it was decided so already: a form may be sent twice. Returns
/// whether there is one.
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
               WHERE user_code = ?1 AND expires_us > ?4
               AND ((account IS NULL AND denied = 0) OR (account IS ?2 AND denied = ?3))";
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

fn device(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    Ok(DeviceRow {
        id: row.get(0)?,
        account: row.parse(1, Did::parse)?,
        name: row.get(2)?,
        address: row.get(3)?,
        created_us: row.number(4)?,
        used_us: row.number(5)?,
    })
}

/// Returns the device with this secret, by the secret's SHA-256.
///
/// # Errors
/// As [`sweep`].
pub fn by_secret(read: &Read<'_>, secret: &[u8; 32]) -> Result<Option<DeviceRow>, StorageError> {
    let sql = "SELECT id, account, name, address, created_us, used_us FROM device WHERE secret = ?1";
    read.first(sql, [secret], device)
}

/// Returns the devices of an account, the newest first.
///
/// # Errors
/// As [`sweep`].
pub fn of_account(read: &Read<'_>, account: &Did) -> Result<Vec<DeviceRow>, StorageError> {
    let sql = "SELECT id, account, name, address, created_us, used_us FROM device WHERE account = ?1 ORDER BY id DESC";
    read.all(sql, [account.as_str()], device)
}

/// Maximum number of devices in a list of all accounts.
const MAX_LISTED: i64 = 1_000;

/// Returns the newest devices of all accounts, the newest first.
///
/// # Errors
/// As [`sweep`].
pub fn newest(read: &Read<'_>) -> Result<Vec<DeviceRow>, StorageError> {
    let sql = "SELECT id, account, name, address, created_us, used_us FROM device ORDER BY id DESC LIMIT ?1";
    read.all(sql, [MAX_LISTED], device)
}

/// Deletes a device of any account. Returns it.
///
/// # Errors
/// As [`sweep`].
pub fn take(write: &Write<'_>, id: i64) -> Result<Option<DeviceRow>, StorageError> {
    let sql = "DELETE FROM device WHERE id = ?1 RETURNING id, account, name, address, created_us, used_us";
    write.first(sql, [id], device)
}

/// Whether an account has this device.
///
/// # Errors
/// As [`sweep`].
pub fn has(read: &Read<'_>, account: &Did, id: i64) -> Result<bool, StorageError> {
    let sql = "SELECT 1 FROM device WHERE account = ?1 AND id = ?2";
    Ok(read.first(sql, (account.as_str(), id), |_| Ok(()))?.is_some())
}

/// Returns the requests that an account approved and whose programs have not fetched the secret yet.
///
/// # Errors
/// As [`sweep`].
pub fn let_in_by(read: &Read<'_>, account: &Did) -> Result<Vec<RequestRow>, StorageError> {
    let sql = "SELECT user_code, name, address, created_us, expires_us FROM device_request WHERE account = ?1";
    read.all(sql, [account.as_str()], request)
}

/// Whether an account has any device, or an approved request that has not expired.
///
/// # Errors
/// As [`sweep`].
pub fn act_for(read: &Read<'_>, account: &Did, now_us: u64) -> Result<bool, StorageError> {
    let sql = "SELECT 1 FROM device WHERE account = ?1
               UNION ALL SELECT 1 FROM device_request WHERE account = ?1 AND expires_us > ?2 LIMIT 1";
    Ok(read.first(sql, (account.as_str(), now_us.cast_signed()), |_| Ok(()))?.is_some())
}

/// Returns the number of devices of an account.
///
/// # Errors
/// As [`sweep`].
pub fn count(read: &Read<'_>, account: &Did) -> Result<u64, StorageError> {
    let sql = "SELECT count(*) FROM device WHERE account = ?1";
    Ok(read.first(sql, [account.as_str()], |row| row.number(0))?.unwrap_or_default())
}

/// Returns the number of devices of each account.
///
/// # Errors
/// As [`sweep`].
pub fn by_account(read: &Read<'_>) -> Result<Vec<(Did, u64)>, StorageError> {
    read.of_accounts("SELECT account, count(*) FROM device GROUP BY account", [])
}

/// Forgets all devices and approved requests of an account.
///
/// # Errors
/// As [`sweep`].
pub fn forget(write: &Write<'_>, account: &Did) -> Result<(), StorageError> {
    write.execute("DELETE FROM device_request WHERE account = ?1", [account.as_str()])?;
    write.execute("DELETE FROM device WHERE account = ?1", [account.as_str()]).map(drop)
}

/// Notes a sign-in of a device.
///
/// # Errors
/// As [`sweep`].
pub fn used(write: &Write<'_>, id: i64, now_us: u64) -> Result<(), StorageError> {
    write.execute("UPDATE device SET used_us = ?2 WHERE id = ?1", (id, now_us.cast_signed())).map(drop)
}

/// Deletes a device of an account. Returns whether there was one.
///
/// # Errors
/// As [`sweep`].
pub fn revoke(write: &Write<'_>, account: &Did, id: i64) -> Result<bool, StorageError> {
    Ok(write.execute("DELETE FROM device WHERE account = ?1 AND id = ?2", (account.as_str(), id))? == 1)
}
