//! The SQL of sign-ins by OAuth that are under way.

use atproto::syntax::Did;
use server::sqlite::{Columns as _, Read, Write, row_limit};
use server::storage::StorageError;

/// A sign-in that is under way.
pub struct SignInRow {
    /// SHA-256 of the browser's cookie.
    pub browser: [u8; 32],
    /// Account that is to sign in; `None`, stored as the empty text, if the server is to tell.
    pub account: Option<Did>,
    /// Issuer: the authorization server.
    pub issuer: String,
    /// PKCE code verifier.
    pub verifier: String,
    /// Private key that the tokens will be bound to.
    pub key: [u8; 32],
    /// Path of the page that the sign-in returns to.
    pub return_to: Option<String>,
    /// Time of expiry, microseconds since 1970.
    pub expires_us: u64,
}

/// Adds a sign-in. Returns `false` if `limit` others are under way.
///
/// # Errors
/// When the database fails; the same below.
pub fn begin_sign_in(write: &Write<'_>, state: &[u8; 32], row: &SignInRow, limit: u64) -> Result<bool, StorageError> {
    let sql = "INSERT INTO sign_in (state, browser, account, issuer, verifier, key, return_to, expires_us)
               SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE (SELECT count(*) FROM sign_in) < ?9";
    let times = (row.expires_us.cast_signed(), row_limit(limit));
    let parameters = rusqlite::params![
        state,
        row.browser,
        row.account.as_ref().map_or("", Did::as_str),
        row.issuer,
        row.verifier,
        row.key,
        row.return_to,
        times.0,
        times.1
    ];
    Ok(write.execute(sql, parameters)? == 1)
}

/// Deletes and returns the sign-in of a `state`, by its SHA-256: it can be completed once.
///
/// # Errors
/// As [`begin_sign_in`], or when the row is invalid.
pub fn take_sign_in(write: &Write<'_>, state: &[u8; 32]) -> Result<Option<SignInRow>, StorageError> {
    let sql = "DELETE FROM sign_in WHERE state = ?1
               RETURNING browser, account, issuer, verifier, key, return_to, expires_us";
    let account = |text: &str| if text.is_empty() { Ok(None) } else { Did::parse(text).map(Some) };
    write.first(sql, [state], |row| {
        Ok(SignInRow {
            browser: row.get(0)?,
            account: row.parse(1, account)?,
            issuer: row.get(2)?,
            verifier: row.get(3)?,
            key: row.get(4)?,
            return_to: row.get(5)?,
            expires_us: row.number(6)?,
        })
    })
}

/// Has the sign-ins of one browser, by the SHA-256 of its cookie, completed with another cookie.
///
/// # Errors
/// As [`begin_sign_in`].
pub fn move_sign_ins(write: &Write<'_>, from: &[u8; 32], to: &[u8; 32]) -> Result<(), StorageError> {
    write.execute("UPDATE sign_in SET browser = ?2 WHERE browser = ?1", (from, to)).map(drop)
}

/// A sign-in of an account that is under way.
pub struct SignInUnderWay {
    /// The authorization server.
    pub issuer: String,
    /// Time of its expiry, microseconds since 1970.
    pub expires_us: u64,
}

/// Returns the sign-ins of an account that are under way.
///
/// # Errors
/// As [`begin_sign_in`].
pub fn sign_ins_of(read: &Read<'_>, account: &Did) -> Result<Vec<SignInUnderWay>, StorageError> {
    let sql = "SELECT issuer, expires_us FROM sign_in WHERE account = ?1";
    read.all(sql, [account.as_str()], |row| Ok(SignInUnderWay { issuer: row.get(0)?, expires_us: row.number(1)? }))
}

/// Forgets the sign-ins of an account that are under way.
///
/// # Errors
/// As [`begin_sign_in`].
pub fn forget_sign_ins(write: &Write<'_>, account: &Did) -> Result<(), StorageError> {
    write.execute("DELETE FROM sign_in WHERE account = ?1", [account.as_str()]).map(drop)
}

/// Forgets expired sign-ins. Returns their number.
///
/// # Errors
/// As [`begin_sign_in`].
pub fn sweep_sign_ins(write: &Write<'_>, now_us: u64) -> Result<usize, StorageError> {
    write.execute("DELETE FROM sign_in WHERE expires_us <= ?1", [now_us.cast_signed()])
}
