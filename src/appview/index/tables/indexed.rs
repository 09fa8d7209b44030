//! The SQL of the records of one account in the index.

use rusqlite::Row;

use crate::index::{IndexedAccount, IndexedManifest, IndexedRepository, IndexedStar, IndexedTag};
use atproto::syntax::{Datetime, Did, Digest};
use server::sqlite::{Columns as _, Read};
use server::storage::StorageError;

/// Returns all records of an account; `None` when the account is not known.
///
/// # Errors
/// When the database fails or has an invalid row.
pub fn of_account(read: &Read<'_>, did: &Did) -> Result<Option<IndexedAccount>, StorageError> {
    let sql = "SELECT id, handle, is_active FROM index_account WHERE did = ?1";
    let account = read.first(sql, [did.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let Some((id, handle, is_active)): Option<(i64, Option<String>, bool)> = account else { return Ok(None) };
    let sql = "SELECT name, description, page, hold, platforms, newest_tag, size_bytes, tags, pushed_us, pulls, stars,
               is_shown FROM index_repository WHERE account = ?1 ORDER BY name";
    let repositories = read.all(sql, [id], repository)?;
    let sql = "SELECT r.name, t.tag, t.digest, t.written_us FROM index_tag AS t
               CROSS JOIN index_repository AS r ON r.id = t.repository WHERE t.account = ?1";
    let tags = read.all(sql, [id], |row| {
        let digest = Digest::from_bytes(row.get(2)?);
        Ok(IndexedTag { repository: row.get(0)?, tag: row.get(1)?, digest, written_at: time(row, 3)? })
    })?;
    let sql = "SELECT r.name, m.digest, m.hold, m.description, m.platforms, m.size_bytes, m.created_us
               FROM index_manifest AS m CROSS JOIN index_repository AS r ON r.id = m.repository WHERE m.account = ?1";
    let manifests = read.all(sql, [id], |row| {
        Ok(IndexedManifest {
            repository: row.get(0)?,
            digest: Digest::from_bytes(row.get(1)?),
            hold: row.get(2)?,
            description: row.get(3)?,
            platforms: row.get(4)?,
            size_bytes: row.number(5)?,
            created_at: time(row, 6)?,
        })
    })?;
    let sql = "SELECT owner, name FROM index_star WHERE account = ?1";
    let stars = read.all(sql, [id], |row| Ok(IndexedStar { owner: row.get(0)?, name: row.get(1)? }))?;
    Ok(Some(IndexedAccount { handle, is_active, repositories, tags, manifests, stars }))
}

fn repository(row: &Row<'_>) -> rusqlite::Result<IndexedRepository> {
    Ok(IndexedRepository {
        name: row.get(0)?,
        description: row.get(1)?,
        page: row.get(2)?,
        hold: row.get(3)?,
        platforms: row.get(4)?,
        newest_tag: row.get(5)?,
        size_bytes: row.number(6)?,
        tags: row.number(7)?,
        pushed_at: time(row, 8)?,
        pulls: row.number(9)?,
        stars: row.number(10)?,
        is_shown: row.get(11)?,
    })
}

fn time(row: &Row<'_>, at: usize) -> rusqlite::Result<Datetime> {
    row.number(at).map(Datetime::from_micros)
}
