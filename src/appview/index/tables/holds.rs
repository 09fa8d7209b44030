//! The SQL of the holds in the index: whether they are public, and their crews.

use std::collections::BTreeSet;

use super::{Applying, accounts};
use atproto::syntax::Did;
use server::sqlite::{Columns as _, Read, Write, row_limit};
use server::storage::StorageError;

/// Delay of the next look-up at a hold whose crew changed.
const SOON_US: u64 = 60 * 1_000_000;
/// Limit of holds that are asked for one account: each is a host that the account named.
const MAX_OF_ACCOUNT: i64 = 32;

/// Returns whether a hold is public, by its last answer. A new hold becomes due for a look-up, unless `account` names
/// too many.
pub(super) fn known(applying: &mut Applying<'_, '_>, account: i64, hold: &str) -> Result<bool, StorageError> {
    let sql = "SELECT is_public FROM index_hold WHERE did = ?1";
    if let Some(is_public) = applying.write.first(sql, [hold], |row| row.get::<_, i64>(0))? {
        return Ok(is_public == 1);
    }
    let sql = "SELECT count(*) FROM (SELECT DISTINCT hold FROM index_repository WHERE account = ?1 LIMIT ?2)";
    let named = applying.write.first(sql, (account, MAX_OF_ACCOUNT + 1), |row| row.get::<_, i64>(0))?;
    if named.unwrap_or_default() > MAX_OF_ACCOUNT {
        return Ok(false);
    }
    applying.has_due = true;
    let sql = "INSERT INTO index_hold (did, ask_us) VALUES (?1, ?2)";
    applying.write.execute(sql, (hold, applying.now_us.cast_signed()))?;
    Ok(false)
}

/// Stores whether a hold is public, as its own record says. A look-up that is due or under way has an answer no older
/// than that a minute later.
pub(super) fn record_says(applying: &mut Applying<'_, '_>, hold: &Did, is_public: bool) -> Result<(), StorageError> {
    let sql = "UPDATE index_hold SET ask_us = ?2 WHERE did = ?1 AND ask_us < ?2";
    applying.write.execute(sql, (hold.as_str(), (applying.now_us + SOON_US).cast_signed()))?;
    set_is_public(applying.write, hold, is_public)
}

/// Stores whether a hold is public. A hold that no repository names is ignored.
fn set_is_public(write: &Write<'_>, hold: &Did, is_public: bool) -> Result<(), StorageError> {
    let sql = "UPDATE index_hold SET is_public = ?2 WHERE did = ?1 AND is_public <> ?2";
    if write.execute(sql, (hold.as_str(), i64::from(is_public)))? == 0 {
        return Ok(());
    }
    let sql = "UPDATE index_repository SET is_shown = ?2 AND (SELECT is_active FROM index_account WHERE id = account)
               WHERE hold = ?1";
    write.execute(sql, (hold.as_str(), i64::from(is_public))).map(drop)
}

/// Makes the look-up at a hold due in a minute, however often its crew changes meanwhile.
pub(super) fn look_up_soon(applying: &mut Applying<'_, '_>, hold: &Did) -> Result<(), StorageError> {
    look_up_by(applying.write, hold, applying.now_us + SOON_US)
}

/// Makes the look-up at a hold due at `at_us`, unless it is due before.
///
/// # Errors
/// As [`set_crew`].
pub fn look_up_by(write: &Write<'_>, hold: &Did, at_us: u64) -> Result<(), StorageError> {
    let sql = "UPDATE index_hold SET ask_us = ?2 WHERE did = ?1 AND ask_us > ?2";
    write.execute(sql, (hold.as_str(), at_us.cast_signed())).map(drop)
}

/// Stores the accounts with write permission at a hold, if the hold is known.
///
/// # Errors
/// When the database fails or has an invalid row; the same below.
pub fn set_crew(write: &Write<'_>, hold: &Did, members: &[Did]) -> Result<(), StorageError> {
    let sql = "SELECT member FROM index_crew WHERE hold = ?1 ORDER BY member";
    let before = write.all(sql, [hold.as_str()], |row| row.get::<_, String>(0))?;
    let now: BTreeSet<&str> = members.iter().map(Did::as_str).collect();
    if before.iter().map(String::as_str).eq(now.iter().copied()) {
        return Ok(());
    }
    write.execute("DELETE FROM index_crew WHERE hold = ?1", [hold.as_str()])?;
    let sql = "INSERT INTO index_crew (hold, member) SELECT did, ?2 FROM index_hold WHERE did = ?1";
    now.into_iter().try_for_each(|member| write.execute(sql, (hold.as_str(), member)).map(drop))
}

/// Returns the holds at which an account has write permission.
///
/// # Errors
/// As [`set_crew`].
pub fn of_member(read: &Read<'_>, member: &Did, limit: usize) -> Result<Vec<Did>, StorageError> {
    let sql = "SELECT hold FROM index_crew WHERE member = ?1 ORDER BY hold LIMIT ?2";
    let parameters = (member.as_str(), row_limit(limit));
    read.all(sql, parameters, |row| row.parse(0, Did::parse))
}

/// Forgets those of the holds due for a look-up that no repository names any more. Returns their number.
///
/// # Errors
/// As [`set_crew`].
pub fn forget_unnamed(write: &Write<'_>, now_us: u64, limit: usize) -> Result<usize, StorageError> {
    let sql = "DELETE FROM index_hold
               WHERE did IN (SELECT did FROM index_hold WHERE ask_us <= ?1 ORDER BY ask_us LIMIT ?2)
               AND NOT EXISTS (SELECT 1 FROM index_repository WHERE hold = did)";
    write.execute(sql, (now_us.cast_signed(), row_limit(limit)))
}

/// Returns holds that are to be asked whether they are public.
///
/// # Errors
/// As [`set_crew`].
pub fn due(read: &Read<'_>, now_us: u64, limit: usize) -> Result<Vec<Did>, StorageError> {
    let sql = "SELECT did FROM index_hold WHERE ask_us <= ?1 ORDER BY ask_us LIMIT ?2";
    accounts::dids(read, sql, now_us, limit)
}

/// Stores the answer of a hold, and the time of the next look-up, unless the look-up was put off after `asked_us`. `None`:
/// the last answer stays.
///
/// # Errors
/// As [`set_crew`].
pub fn store_answer(
    write: &Write<'_>,
    hold: &Did,
    is_public: Option<bool>,
    asked_us: u64,
    next_us: u64,
) -> Result<(), StorageError> {
    let sql = "UPDATE index_hold SET ask_us = ?2 WHERE did = ?1 AND ask_us <= ?3";
    let is_stored = write.execute(sql, (hold.as_str(), next_us.cast_signed(), asked_us.cast_signed()))? > 0;
    match is_public.filter(|_| is_stored) {
        Some(is_public) => set_is_public(write, hold, is_public),
        None => Ok(()),
    }
}
