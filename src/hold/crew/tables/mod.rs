//! The SQL of bans, and of DID documents of members.

use atproto::syntax::Did;
use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

/// A ban: the account, the permissions that a request to join may still grant (separated by commas), and its start in
/// microseconds since 1970.
pub(super) type BanRow = (String, String, u64);

/// Returns the permissions that a request of `account` may still grant, separated by commas; `None` without a ban or
/// restriction.
pub(super) fn ban(read: &Read<'_>, account: &Did) -> Result<Option<String>, StorageError> {
    read.first("SELECT permissions FROM crew_ban WHERE account = ?1", [account.as_str()], |row| row.get(0))
}

/// Returns all bans and restrictions, in the order of accounts.
pub(super) fn bans(read: &Read<'_>) -> Result<Vec<BanRow>, StorageError> {
    let sql = "SELECT account, permissions, since_us FROM crew_ban ORDER BY account";
    read.all(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.number(2)?)))
}

pub(super) fn put_ban(write: &Write<'_>, account: &Did, granted: &str, now_us: u64) -> Result<(), StorageError> {
    let sql = "INSERT INTO crew_ban (account, permissions, since_us) VALUES (?1, ?2, ?3)
               ON CONFLICT (account) DO UPDATE SET permissions = ?2";
    write.execute(sql, (account.as_str(), granted, now_us.cast_signed())).map(drop)
}

/// Deletes a ban or restriction. Returns whether there was one.
pub(super) fn delete_ban(write: &Write<'_>, account: &Did) -> Result<bool, StorageError> {
    Ok(write.execute("DELETE FROM crew_ban WHERE account = ?1", [account.as_str()])? > 0)
}

/// Returns the document of `did`, and the time it was read, in microseconds since 1970.
pub(super) fn document(read: &Read<'_>, did: &Did) -> Result<Option<(String, u64)>, StorageError> {
    let sql = "SELECT document, read_us FROM known_document WHERE did = ?1";
    read.first(sql, [did.as_str()], |row| Ok((row.get(0)?, row.number(1)?)))
}

/// Stores a document that was read at `read_us` (microseconds since 1970), in place of an older one.
pub(super) fn put_document(write: &Write<'_>, did: &Did, document: &str, read_us: u64) -> Result<(), StorageError> {
    let sql = "INSERT INTO known_document (did, document, read_us) VALUES (?1, ?2, ?3)
               ON CONFLICT (did) DO UPDATE SET document = ?2, read_us = ?3";
    write.execute(sql, (did.as_str(), document, read_us.cast_signed())).map(drop)
}

pub(super) fn delete_document(write: &Write<'_>, did: &Did) -> Result<(), StorageError> {
    write.execute("DELETE FROM known_document WHERE did = ?1", [did.as_str()]).map(drop)
}

/// Deletes the documents that were read before `before_us`, and the oldest beyond `max_rows`.
pub(super) fn delete_old_documents(write: &Write<'_>, before_us: u64, max_rows: u32) -> Result<(), StorageError> {
    write.execute("DELETE FROM known_document WHERE read_us < ?1", [before_us.cast_signed()])?;
    let sql = "DELETE FROM known_document WHERE read_us <= (
                   SELECT read_us FROM known_document ORDER BY read_us DESC LIMIT 1 OFFSET ?1)";
    write.execute(sql, [max_rows]).map(drop)
}

#[cfg(test)]
#[tokio::test]
async fn documents_are_bounded_in_number_and_age() {
    let folder = tempfile::tempdir().unwrap();
    let database = crate::schema::open(&folder.path().join("hold.db")).unwrap();
    let did = |number: u64| Did::parse(&format!("did:web:a{number}.example")).unwrap();
    let job = move |write: &Write<'_>| {
        for number in 0..6 {
            put_document(write, &did(number), "document", 10 + number)?;
        }
        delete_old_documents(write, 11, 10)?;
        let aged = document(write, &did(0))?;
        delete_old_documents(write, 11, 3)?;
        let left = (0..6).filter_map(|number| document(write, &did(number)).transpose());
        Ok::<_, StorageError>((aged, left.collect::<Result<Vec<_>, _>>()?))
    };
    let (aged, left) = database.write(job).await.unwrap();
    assert_eq!(aged, None);
    assert_eq!(left, [13, 14, 15].map(|read_us| ("document".to_owned(), read_us)));
}

#[cfg(test)]
#[test]
fn statements_use_indexes() {
    let scans = [
        // A list for the operator, of all rows.
        ("FROM crew_ban ORDER BY account", "SCAN crew_ban"),
        // Reads from the newest on, as many as may stay.
        ("OFFSET ?1", "SCAN known_document USING COVERING INDEX known_document_read"),
    ];
    crate::schema::plans::assert_indexed(&[include_str!("mod.rs")], &scans);
}
