//! The SQL of holds of the index: which are public, and what they count.

use super::{Taking, accounts};
use atproto::syntax::{Did, ImageName};
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// Whether a hold is public, as far as it said; one that is not known is to be asked.
pub(super) fn known(taking: &mut Taking<'_, '_>, hold: &str) -> Result<bool, StorageError> {
    let sql = "SELECT is_public FROM index_hold WHERE did = ?1";
    if let Some(is_public) = taking.write.first(sql, [hold], |row| row.get::<_, i64>(0))? {
        return Ok(is_public == 1);
    }
    taking.asks = true;
    let sql = "INSERT INTO index_hold (did, ask_us) VALUES (?1, ?2)";
    taking.write.execute(sql, (hold, taking.now_us.cast_signed()))?;
    Ok(false)
}

/// What a hold's own record says. One that is not known here has nothing here.
pub(super) fn is_public(taking: &mut Taking<'_, '_>, hold: &Did, is_public: bool) -> Result<(), StorageError> {
    set(taking.write, hold, is_public)
}

fn set(write: &Write<'_>, hold: &Did, is_public: bool) -> Result<(), StorageError> {
    let sql = "UPDATE index_hold SET is_public = ?2 WHERE did = ?1 AND is_public <> ?2";
    if write.execute(sql, (hold.as_str(), i64::from(is_public)))? == 0 {
        return Ok(());
    }
    let sql = "UPDATE index_repository SET is_shown = ?2 AND (SELECT is_active FROM index_account WHERE id = account)
               WHERE hold = ?1";
    write.execute(sql, (hold.as_str(), i64::from(is_public))).map(drop)
}

/// How often an image was pulled, as a hold counts: of images that are there.
pub(super) fn counted(
    taking: &mut Taking<'_, '_>,
    hold: &Did,
    (owner, name): (&Did, &ImageName),
    pulls: u64,
) -> Result<(), StorageError> {
    let Some(account) = accounts::known(taking.write, owner)? else { return Ok(()) };
    let sql = "UPDATE index_repository SET pulls = ?4 WHERE account = ?1 AND name = ?2 AND hold = ?3";
    taking.write.execute(sql, (account.id, name.as_str(), hold.as_str(), pulls.cast_signed())).map(drop)
}

/// Holds to ask whether they are public.
///
/// # Errors
/// When the database fails or holds what was never written; so below.
pub fn due(read: &Read<'_>, now_us: u64, limit: usize) -> Result<Vec<Did>, StorageError> {
    let sql = "SELECT did FROM index_hold WHERE ask_us <= ?1 ORDER BY ask_us LIMIT ?2";
    accounts::dids(read, sql, now_us, limit)
}

/// Notes what a hold said, and when it is to be asked again.
///
/// # Errors
/// As [`due`].
pub fn said(write: &Write<'_>, hold: &Did, is_public: Option<bool>, next_us: u64) -> Result<(), StorageError> {
    write.execute("UPDATE index_hold SET ask_us = ?2 WHERE did = ?1", (hold.as_str(), next_us.cast_signed()))?;
    match is_public {
        Some(is_public) => set(write, hold, is_public),
        None => Ok(()),
    }
}
