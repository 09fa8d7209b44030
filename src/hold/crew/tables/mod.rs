//! The SQL of what the captain refuses.

use atproto::syntax::Did;
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// An account, what a request to join may still grant it (separated by commas), and since when.
pub(super) type BanRow = (String, String, i64);

/// What a request of `account` may still grant; `None` when nothing is refused to it.
pub(super) fn ban(read: &Read<'_>, account: &Did) -> Result<Option<String>, StorageError> {
    read.first("SELECT permissions FROM crew_ban WHERE account = ?1", [account.as_str()], |row| row.get(0))
}

/// All of them, by account.
pub(super) fn bans(read: &Read<'_>) -> Result<Vec<BanRow>, StorageError> {
    let sql = "SELECT account, permissions, since_us FROM crew_ban ORDER BY account";
    read.all(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

pub(super) fn put_ban(write: &Write<'_>, account: &Did, granted: &str, now_us: u64) -> Result<(), StorageError> {
    let sql = "INSERT INTO crew_ban (account, permissions, since_us) VALUES (?1, ?2, ?3)
               ON CONFLICT (account) DO UPDATE SET permissions = ?2";
    write.execute(sql, (account.as_str(), granted, now_us.cast_signed())).map(drop)
}

/// Answers whether there was one.
pub(super) fn delete_ban(write: &Write<'_>, account: &Did) -> Result<bool, StorageError> {
    Ok(write.execute("DELETE FROM crew_ban WHERE account = ?1", [account.as_str()])? > 0)
}

#[cfg(test)]
#[test]
fn statements_use_indexes() {
    // A list for the operator.
    let scans = [("FROM crew_ban ORDER BY account", "SCAN crew_ban")];
    crate::schema::plans::assert_indexed(&[include_str!("mod.rs")], &scans);
}
