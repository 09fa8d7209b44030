//! The SQL of searches. Each statement uses an index, and reads a number of rows that does not grow with the table.

use std::time::Duration;

use crate::index::{FoundRepository, Position, RepositoryOrder};
use atproto::syntax::{Did, Handle, ImageName, SyntaxError, Tag};
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// The columns of a repository's row.
struct Raw {
    id: i64,
    texts: [String; 6],
    handle: Option<String>,
    numbers: [i64; 5],
}

fn raw(row: &rusqlite::Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get(0)?,
        texts: [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?],
        handle: row.get(7)?,
        numbers: [row.get(8)?, row.get(9)?, row.get(10)?, row.get(11)?, row.get(12)?],
    })
}

fn found(raw: Raw) -> Result<FoundRepository, StorageError> {
    let damaged = |error: SyntaxError| StorageError::Damaged(error.into());
    let [did, name, description, page, platforms, newest_tag] = raw.texts;
    let [size_bytes, tags, pushed_us, pulls, stars] = raw.numbers.map(i64::cast_unsigned);
    let description = if description.is_empty() { page } else { description };
    Ok(FoundRepository {
        id: raw.id,
        owner: Did::parse(&did).map_err(damaged)?,
        handle: raw.handle.map(|handle| Handle::parse(&handle)).transpose().map_err(damaged)?,
        name: ImageName::parse(&name).map_err(damaged)?,
        description: (!description.is_empty()).then_some(description),
        platforms: platforms.split_whitespace().map(str::to_owned).collect(),
        size_bytes: (size_bytes > 0).then_some(size_bytes),
        newest_tag: (!newest_tag.is_empty()).then(|| Tag::parse(&newest_tag)).transpose().map_err(damaged)?,
        tags,
        pushed_us,
        pulls,
        stars,
    })
}

fn all(rows: Vec<Raw>) -> Result<Vec<FoundRepository>, StorageError> {
    rows.into_iter().map(found).collect()
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Deletes all rows of the full-text index, also damaged ones.
///
/// # Errors
/// When the database fails.
pub fn clear_words(write: &Write<'_>) -> Result<(), StorageError> {
    write.execute("INSERT INTO index_text (index_text) VALUES ('delete-all')", []).map(drop)
}

/// Returns the newest shown repositories that match an FTS5 expression, and whether the search came to its end. At most four
/// times `limit` matches are read, as some are not shown; those that never match are only bounded by `time`.
///
/// # Errors
/// When the database fails or has an invalid row; the same below.
pub fn matching(
    read: &Read<'_>,
    expression: &str,
    limit: usize,
    time: Duration,
) -> Result<(Vec<FoundRepository>, bool), StorageError> {
    let sql = "SELECT r.id, a.did, r.name, r.description, r.page, r.platforms, r.newest_tag, a.handle,
                      r.size_bytes, r.tags, r.pushed_us, r.pulls, r.stars
               FROM (SELECT rowid AS id FROM index_text WHERE index_text MATCH ?1 ORDER BY rowid DESC LIMIT ?3) AS t
               CROSS JOIN index_repository AS r ON r.id = t.id CROSS JOIN index_account AS a ON a.id = r.account
               WHERE r.is_shown = 1 LIMIT ?2";
    let parameters = (expression, count(limit), count(limit).saturating_mul(4));
    let (rows, is_whole) = read.all_within(time, sql, parameters, raw)?;
    Ok((all(rows)?, is_whole))
}

/// Returns the repositories with exactly this name, those with the most stars first.
///
/// # Errors
/// As [`matching`].
pub fn named(read: &Read<'_>, name: &str, limit: usize) -> Result<Vec<FoundRepository>, StorageError> {
    let sql = "SELECT r.id, a.did, r.name, r.description, r.page, r.platforms, r.newest_tag, a.handle,
                      r.size_bytes, r.tags, r.pushed_us, r.pulls, r.stars
               FROM index_repository AS r CROSS JOIN index_account AS a ON a.id = r.account
               WHERE r.name = ?1 AND r.is_shown = 1 ORDER BY r.stars DESC LIMIT ?2";
    all(read.all(sql, (name, count(limit)), raw)?)
}

/// The repositories of an owner behind a place, in an order. By stars and by pulls all of the owner's are compared: the index
/// takes a bounded number of records from an account.
///
/// # Errors
/// As [`matching`].
pub fn of_owner(
    read: &Read<'_>,
    owner: &Did,
    order: RepositoryOrder,
    limit: usize,
    after: Position,
) -> Result<Vec<FoundRepository>, StorageError> {
    let pushed = "SELECT r.id, a.did, r.name, r.description, r.page, r.platforms, r.newest_tag, a.handle,
                         r.size_bytes, r.tags, r.pushed_us, r.pulls, r.stars
                  FROM index_account AS a CROSS JOIN index_repository AS r ON r.account = a.id
                  WHERE a.did = ?1 AND r.is_shown = 1 AND (r.pushed_us, r.id) < (?2, ?3)
                  ORDER BY r.pushed_us DESC, r.id DESC LIMIT ?4";
    let stars = "SELECT r.id, a.did, r.name, r.description, r.page, r.platforms, r.newest_tag, a.handle,
                        r.size_bytes, r.tags, r.pushed_us, r.pulls, r.stars
                 FROM index_account AS a CROSS JOIN index_repository AS r ON r.account = a.id
                 WHERE a.did = ?1 AND r.is_shown = 1 AND (r.stars, r.id) < (?2, ?3)
                 ORDER BY r.stars DESC, r.id DESC LIMIT ?4";
    let pulls = "SELECT r.id, a.did, r.name, r.description, r.page, r.platforms, r.newest_tag, a.handle,
                        r.size_bytes, r.tags, r.pushed_us, r.pulls, r.stars
                 FROM index_account AS a CROSS JOIN index_repository AS r ON r.account = a.id
                 WHERE a.did = ?1 AND r.is_shown = 1 AND (r.pulls, r.id) < (?2, ?3)
                 ORDER BY r.pulls DESC, r.id DESC LIMIT ?4";
    let sql = match order {
        RepositoryOrder::Pushed => pushed,
        RepositoryOrder::Stars => stars,
        RepositoryOrder::Pulls => pulls,
    };
    all(read.all(sql, (owner.as_str(), after.value, after.id, count(limit)), raw)?)
}

/// Returns the repositories after a position, in an order.
///
/// # Errors
/// As [`matching`].
pub fn ordered(
    read: &Read<'_>,
    order: RepositoryOrder,
    limit: usize,
    after: Position,
) -> Result<Vec<FoundRepository>, StorageError> {
    let pushed = "SELECT r.id, a.did, r.name, r.description, r.page, r.platforms, r.newest_tag, a.handle,
                         r.size_bytes, r.tags, r.pushed_us, r.pulls, r.stars
                  FROM index_repository AS r CROSS JOIN index_account AS a ON a.id = r.account
                  WHERE r.is_shown = 1 AND (r.pushed_us, r.id) < (?1, ?2)
                  ORDER BY r.pushed_us DESC, r.id DESC LIMIT ?3";
    let stars = "SELECT r.id, a.did, r.name, r.description, r.page, r.platforms, r.newest_tag, a.handle,
                        r.size_bytes, r.tags, r.pushed_us, r.pulls, r.stars
                 FROM index_repository AS r CROSS JOIN index_account AS a ON a.id = r.account
                 WHERE r.is_shown = 1 AND (r.stars, r.id) < (?1, ?2)
                 ORDER BY r.stars DESC, r.id DESC LIMIT ?3";
    let pulls = "SELECT r.id, a.did, r.name, r.description, r.page, r.platforms, r.newest_tag, a.handle,
                        r.size_bytes, r.tags, r.pushed_us, r.pulls, r.stars
                 FROM index_repository AS r CROSS JOIN index_account AS a ON a.id = r.account
                 WHERE r.is_shown = 1 AND (r.pulls, r.id) < (?1, ?2)
                 ORDER BY r.pulls DESC, r.id DESC LIMIT ?3";
    let sql = match order {
        RepositoryOrder::Pushed => pushed,
        RepositoryOrder::Stars => stars,
        RepositoryOrder::Pulls => pulls,
    };
    all(read.all(sql, (after.value, after.id, count(limit)), raw)?)
}
