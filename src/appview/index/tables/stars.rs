//! The SQL of stars.

use super::{Applying, accounts};
use atproto::syntax::{Did, ImageName, RecordKey};
use server::sqlite::{Columns as _, Read, Write, row_limit};
use server::storage::StorageError;

/// Stores a star. It is ignored if the account has too many records.
pub(super) fn put(
    applying: &mut Applying<'_, '_>,
    did: &Did,
    key: &str,
    owner: &Did,
    name: &ImageName,
) -> Result<(), StorageError> {
    let account = accounts::of(applying, did)?;
    if account.records >= applying.limits.of_account {
        return Ok(());
    }
    remove(applying, did, key)?;
    // Another record of the same account may have the same subject: it counts once.
    let write = applying.write;
    let subject = (owner.as_str(), name.as_str(), account.id);
    let twice = write.execute("DELETE FROM index_star WHERE owner = ?1 AND name = ?2 AND account = ?3", subject)?;
    let sql = "INSERT INTO index_star (account, key, owner, name) VALUES (?1, ?2, ?3, ?4)";
    write.execute(sql, (account.id, key, owner.as_str(), name.as_str()))?;
    accounts::count(write, account.id, if twice > 0 { 0 } else { 1 })?;
    recount(write, owner.as_str(), name.as_str())
}

/// Deletes a star.
pub(super) fn remove(applying: &mut Applying<'_, '_>, did: &Did, key: &str) -> Result<(), StorageError> {
    let write = applying.write;
    let Some(account) = accounts::known(write, did)? else { return Ok(()) };
    let sql = "DELETE FROM index_star WHERE account = ?1 AND key = ?2 RETURNING owner, name";
    let gone = write.first(sql, (account.id, key), |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let Some((owner, name)) = gone else { return Ok(()) };
    accounts::count(write, account.id, -1)?;
    recount(write, &owner, &name)
}

/// Forgets all stars that an account gave.
pub(super) fn forget_of(write: &Write<'_>, account: i64) -> Result<(), StorageError> {
    let sql = "SELECT owner, name FROM index_star WHERE account = ?1";
    let stars = write.all(sql, [account], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    write.execute("DELETE FROM index_star WHERE account = ?1", [account])?;
    stars.iter().try_for_each(|(owner, name)| recount(write, owner, name))
}

/// Forgets all stars of one account, when no repositories are left to forget. Returns the number of accounts.
pub(super) fn forget_some(write: &Write<'_>, limit: usize) -> Result<usize, StorageError> {
    let sql = "SELECT account FROM index_star LIMIT ?1";
    let accounts = write.all(sql, [row_limit(limit)], |row| row.get::<_, i64>(0))?;
    let Some(account) = accounts.first() else { return Ok(0) };
    forget_of(write, *account)?;
    write.execute("UPDATE index_account SET records = 0 WHERE id = ?1", [account])?;
    Ok(1)
}

fn recount(write: &Write<'_>, owner: &str, name: &str) -> Result<(), StorageError> {
    let sql = "UPDATE index_repository SET stars = (SELECT count(*) FROM index_star WHERE owner = ?1 AND name = ?2)
               WHERE account = (SELECT id FROM index_account WHERE did = ?1) AND name = ?2";
    write.execute(sql, (owner, name)).map(drop)
}

/// Returns the number of accounts that gave a repository a star.
///
/// # Errors
/// When the database fails or has an invalid row; the same below.
pub fn count(read: &Read<'_>, owner: &Did, name: &ImageName) -> Result<u64, StorageError> {
    let sql = "SELECT count(*) FROM index_star WHERE owner = ?1 AND name = ?2";
    Ok(read.first(sql, (owner.as_str(), name.as_str()), |row| row.number(0))?.unwrap_or_default())
}

/// Returns the record key of the star that an account gave a repository.
///
/// # Errors
/// As [`count`].
pub fn key_of(read: &Read<'_>, did: &Did, owner: &Did, name: &ImageName) -> Result<Option<RecordKey>, StorageError> {
    let sql = "SELECT key FROM index_star WHERE owner = ?2 AND name = ?3
               AND account = (SELECT id FROM index_account WHERE did = ?1)";
    let parameters = (did.as_str(), owner.as_str(), name.as_str());
    read.first(sql, parameters, |row| row.parse(0, RecordKey::parse))
}
