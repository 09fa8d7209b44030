//! The SQL of browser sessions.
//!
//! No other room has SQL for this table, and none calls this module: it is public for tests.

use atproto::syntax::Did;
use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

/// Returns the account that is signed in in the browser with this hash of its cookie.
///
/// # Errors
/// When the database fails or has invalid data.
pub fn find(read: &Read<'_>, cookie: &[u8; 32], now_us: u64) -> Result<Option<Did>, StorageError> {
    let sql = "SELECT account FROM browser_session WHERE cookie = ?1 AND expires_us > ?2";
    read.first(sql, (cookie, now_us.cast_signed()), |row| row.parse(0, Did::parse))
}

/// Returns the time when the browser's session expires, microseconds since 1970.
///
/// # Errors
/// As [`find`].
pub fn until(read: &Read<'_>, cookie: &[u8; 32]) -> Result<Option<u64>, StorageError> {
    let sql = "SELECT expires_us FROM browser_session WHERE cookie = ?1";
    read.first(sql, [cookie], |row| row.number(0))
}

/// Most browsers in which one account is signed in.
const MAX_OF_ACCOUNT: i64 = 100;

/// Signs a browser in. Of 100 others the one that signed in first is signed out.
///
/// # Errors
/// As [`find`].
pub fn begin(write: &Write<'_>, account: &Did, session: &BrowserSessionRow) -> Result<(), StorageError> {
    let sql = "INSERT INTO browser_session (cookie, account, created_us, expires_us) VALUES (?1, ?2, ?3, ?4)";
    let BrowserSessionRow { cookie, created_us, expires_us } = session;
    let parameters = (cookie, account.as_str(), created_us.cast_signed(), expires_us.cast_signed());
    write.execute(sql, parameters)?;
    let sql = "DELETE FROM browser_session WHERE cookie IN
               (SELECT cookie FROM browser_session WHERE account = ?1 ORDER BY created_us DESC LIMIT -1 OFFSET ?2)";
    write.execute(sql, (account.as_str(), MAX_OF_ACCOUNT)).map(drop)
}

/// Signs a browser out.
///
/// # Errors
/// As [`find`].
pub fn end(write: &Write<'_>, cookie: &[u8; 32]) -> Result<(), StorageError> {
    write.execute("DELETE FROM browser_session WHERE cookie = ?1", [cookie]).map(drop)
}

/// The session of a signed-in browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserSessionRow {
    /// The hash of its cookie.
    pub cookie: [u8; 32],
    /// Time of the sign-in, microseconds since 1970.
    pub created_us: u64,
    /// Time of the expiry, microseconds since 1970.
    pub expires_us: u64,
}

/// Returns the browsers in which an account is signed in, the newest first, 100 at most.
///
/// # Errors
/// As [`find`].
pub fn of_account(read: &Read<'_>, account: &Did, now_us: u64) -> Result<Vec<BrowserSessionRow>, StorageError> {
    let sql = "SELECT cookie, created_us, expires_us FROM browser_session WHERE account = ?1 AND expires_us > ?2
               ORDER BY created_us DESC LIMIT ?3";
    read.all(sql, (account.as_str(), now_us.cast_signed(), MAX_OF_ACCOUNT), |row| {
        Ok(BrowserSessionRow { cookie: row.get(0)?, created_us: row.number(1)?, expires_us: row.number(2)? })
    })
}

/// Signs out a browser that is signed in as this account.
///
/// # Errors
/// As [`find`].
pub fn end_of(write: &Write<'_>, cookie: &[u8; 32], account: &Did) -> Result<(), StorageError> {
    let sql = "DELETE FROM browser_session WHERE cookie = ?1 AND account = ?2";
    write.execute(sql, (cookie, account.as_str())).map(drop)
}

/// Returns the number of browsers in which each account is signed in.
///
/// # Errors
/// As [`find`].
pub fn by_account(read: &Read<'_>, now_us: u64) -> Result<Vec<(Did, u64)>, StorageError> {
    let sql = "SELECT account, count(*) FROM browser_session WHERE expires_us > ?1 GROUP BY account";
    read.of_accounts(sql, [now_us.cast_signed()])
}

/// Signs an account out in all browsers.
///
/// # Errors
/// As [`find`].
pub fn forget(write: &Write<'_>, account: &Did) -> Result<(), StorageError> {
    write.execute("DELETE FROM browser_session WHERE account = ?1", [account.as_str()]).map(drop)
}

/// Deletes expired sessions.
///
/// # Errors
/// As [`find`].
pub fn sweep(write: &Write<'_>, now_us: u64) -> Result<(), StorageError> {
    write.execute("DELETE FROM browser_session WHERE expires_us <= ?1", [now_us.cast_signed()]).map(drop)
}
