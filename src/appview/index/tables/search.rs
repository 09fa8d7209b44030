//! The SQL of searches. Each statement uses an index, and reads a number of rows that does not grow with the table.

use std::time::Duration;

use rusqlite::Row;

use crate::index::{Position, RepositoryOrder};
use atproto::syntax::{Did, Handle, ImageName, Tag};
use server::sqlite::{Columns as _, Read, Write, row_limit};
use server::storage::StorageError;

/// A repository in search results.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundRepository {
    pub(in crate::index) id: i64,
    /// Owner.
    pub owner: Did,
    /// Handle of the owner, if its domain confirmed it.
    pub handle: Option<Handle>,
    /// Name.
    pub name: ImageName,
    /// Description of its newest image, else the beginning of its page.
    pub description: Option<String>,
    /// Platforms of the newest image, if its record has them.
    pub platforms: Vec<String>,
    /// Size of the newest image, unless that is an index.
    pub size_bytes: Option<u64>,
    /// The tag that was written last.
    pub newest_tag: Option<Tag>,
    /// Number of tags, 1,000 at most.
    pub tags: u64,
    /// Time of the newest tag by its record, microseconds since 1970.
    pub pushed_us: u64,
    /// Number of pulls, as counted by its hold.
    pub pulls: u64,
    /// Number of accounts that gave it a star.
    pub stars: u64,
}

/// The columns of a repository in search results, as [`found`] reads them.
const FOUND: &str = "r.id, a.did, r.name, r.description, r.page, r.platforms, r.newest_tag, a.handle, r.size_bytes, r.tags, \
                     r.pushed_us, r.pulls, r.stars";

fn found(row: &Row<'_>) -> rusqlite::Result<FoundRepository> {
    let [description, page, platforms]: [String; 3] = [row.get(3)?, row.get(4)?, row.get(5)?];
    let description = if description.is_empty() { page } else { description };
    let newest_tag = |text: &str| if text.is_empty() { Ok(None) } else { Tag::parse(text).map(Some) };
    Ok(FoundRepository {
        id: row.get(0)?,
        owner: row.parse(1, Did::parse)?,
        handle: row.parse_or_null(7, Handle::parse)?,
        name: row.parse(2, ImageName::parse)?,
        description: Some(description).filter(|text| !text.is_empty()),
        platforms: platforms.split_whitespace().map(str::to_owned).collect(),
        size_bytes: Some(row.number(8)?).filter(|bytes| *bytes > 0),
        newest_tag: row.parse(6, newest_tag)?,
        tags: row.number(9)?,
        pushed_us: row.number(10)?,
        pulls: row.number(11)?,
        stars: row.number(12)?,
    })
}

const CLEAR_WORDS: &str = "INSERT INTO index_text (index_text) VALUES ('delete-all')";

/// Deletes all rows of the full-text index, also damaged ones.
///
/// # Errors
/// When the database fails.
pub fn clear_words(write: &Write<'_>) -> Result<(), StorageError> {
    write.execute(CLEAR_WORDS, []).map(drop)
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
    read.all_within(time, &matching_sql(), (expression, row_limit(limit), row_limit(limit).saturating_mul(4)), found)
}

fn matching_sql() -> String {
    format!(
        "SELECT {FOUND}
         FROM (SELECT rowid AS id FROM index_text WHERE index_text MATCH ?1 ORDER BY rowid DESC LIMIT ?3) AS t
         CROSS JOIN index_repository AS r ON r.id = t.id CROSS JOIN index_account AS a ON a.id = r.account
         WHERE r.is_shown = 1 LIMIT ?2"
    )
}

/// Returns the repositories with exactly this name, those with the most stars first.
///
/// # Errors
/// As [`matching`].
pub fn named(read: &Read<'_>, name: &str, limit: usize) -> Result<Vec<FoundRepository>, StorageError> {
    read.all(&named_sql(), (name, row_limit(limit)), found)
}

fn named_sql() -> String {
    format!(
        "SELECT {FOUND} FROM index_repository AS r CROSS JOIN index_account AS a ON a.id = r.account
         WHERE r.name = ?1 AND r.is_shown = 1 ORDER BY r.stars DESC LIMIT ?2"
    )
}

/// Returns the repositories of an owner after a position, in an order. By stars and by pulls all of the owner's are
/// compared: the index takes a bounded number of records from an account.
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
    read.all(&of_owner_sql(order), (owner.as_str(), after.value, after.id, row_limit(limit)), found)
}

fn of_owner_sql(order: RepositoryOrder) -> String {
    let by = column(order);
    format!(
        "SELECT {FOUND} FROM index_account AS a CROSS JOIN index_repository AS r ON r.account = a.id
         WHERE a.did = ?1 AND r.is_shown = 1 AND ({by}, r.id) < (?2, ?3) ORDER BY {by} DESC, r.id DESC LIMIT ?4"
    )
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
    read.all(&ordered_sql(order), (after.value, after.id, row_limit(limit)), found)
}

fn ordered_sql(order: RepositoryOrder) -> String {
    let by = column(order);
    format!(
        "SELECT {FOUND} FROM index_repository AS r CROSS JOIN index_account AS a ON a.id = r.account
         WHERE r.is_shown = 1 AND ({by}, r.id) < (?1, ?2) ORDER BY {by} DESC, r.id DESC LIMIT ?3"
    )
}

fn column(order: RepositoryOrder) -> &'static str {
    match order {
        RepositoryOrder::Pushed => "r.pushed_us",
        RepositoryOrder::Stars => "r.stars",
        RepositoryOrder::Pulls => "r.pulls",
    }
}

/// Returns all statements of this file, whose plans are tested.
#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let of_orders = RepositoryOrder::ALL.iter().flat_map(|(_, order)| [of_owner_sql(*order), ordered_sql(*order)]);
    [CLEAR_WORDS.to_owned(), matching_sql(), named_sql()].into_iter().chain(of_orders).collect()
}
