//! The SQL of browsers that are signed in.
//!
//! No other room has SQL for this table, and none calls what is here: it is public for tests.

use atproto::syntax::Did;
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// Who is signed in, in the browser with this cookie.
///
/// # Errors
/// When the database fails or holds what was never written; so below.
pub fn find(read: &Read<'_>, cookie: &[u8; 32], now_us: u64) -> Result<Option<Did>, StorageError> {
    let sql = "SELECT account FROM browser_session WHERE cookie = ?1 AND expires_us > ?2";
    let account = read.first(sql, (cookie, now_us.cast_signed()), |row| row.get::<_, String>(0))?;
    account.map(|text| Did::parse(&text).map_err(|error| StorageError::Damaged(error.into()))).transpose()
}

/// Signs a browser in, from and until these microseconds since 1970.
///
/// # Errors
/// As [`find`].
pub fn begin(
    write: &Write<'_>,
    cookie: &[u8; 32],
    account: &Did,
    (created_us, expires_us): (u64, u64),
) -> Result<(), StorageError> {
    let sql = "INSERT INTO browser_session (cookie, account, created_us, expires_us) VALUES (?1, ?2, ?3, ?4)";
    let parameters = (cookie, account.as_str(), created_us.cast_signed(), expires_us.cast_signed());
    write.execute(sql, parameters).map(drop)
}

/// Signs a browser out.
///
/// # Errors
/// As [`find`].
pub fn end(write: &Write<'_>, cookie: &[u8; 32]) -> Result<(), StorageError> {
    write.execute("DELETE FROM browser_session WHERE cookie = ?1", [cookie]).map(drop)
}

/// Forgets browsers whose time is over.
///
/// # Errors
/// As [`find`].
pub fn sweep(write: &Write<'_>, now_us: u64) -> Result<(), StorageError> {
    write.execute("DELETE FROM browser_session WHERE expires_us <= ?1", [now_us.cast_signed()]).map(drop)
}
