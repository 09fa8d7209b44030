//! The SQL of the index: changes, cursors and limits.
//!
//! No other room has SQL for these tables, and none calls these functions: they are public for tests.

pub mod account_records;
pub mod accounts;
pub mod holds;
pub mod indexed;
pub mod records;
pub mod search;
pub mod stars;

use std::collections::BTreeSet;

use super::{Change, ChangeKind, IndexLimits, SourceCursor};
use atproto::syntax::Did;
use server::sqlite::{Columns as _, Read, Write, row_limit};
use server::storage::StorageError;

/// Number of repositories that one transaction forgets.
const SWEPT_AT_ONCE: usize = 50;

/// Totals of the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexTotals {
    /// Number of accounts with records in the index.
    pub accounts: u64,
    /// Number of repositories, tags, manifests and stars.
    pub records: u64,
    /// Number of repositories that are shown in search results.
    pub shown: u64,
    /// Number of accounts whose records are to be listed.
    pub to_list: u64,
    /// Time at which the first of these listings is due, microseconds since 1970.
    pub due_us: Option<u64>,
}

/// State of one transaction that applies changes.
pub(super) struct Applying<'w, 'c> {
    pub(super) write: &'w Write<'c>,
    pub(super) limits: IndexLimits,
    pub(super) now_us: u64,
    /// Repositories whose row is not consistent with their records yet.
    pub(super) touched: BTreeSet<i64>,
    /// Whether look-ups or listings became due.
    pub(super) has_due: bool,
}

/// Applies changes, and stores the cursor of their source. Returns whether look-ups or listings became due.
///
/// # Errors
/// When the database fails or has an invalid row; the same below.
pub fn apply(
    write: &Write<'_>,
    changes: &[Change],
    cursor: Option<&SourceCursor>,
    limits: IndexLimits,
    now_us: u64,
) -> Result<bool, StorageError> {
    let mut applying = Applying { write, limits, now_us, touched: BTreeSet::new(), has_due: false };
    for change in changes {
        applying.one(change)?;
    }
    for repository in std::mem::take(&mut applying.touched) {
        records::refresh(&mut applying, repository)?;
    }
    if let Some(SourceCursor { source, cursor }) = cursor {
        let sql = "INSERT INTO index_cursor (source, cursor) VALUES (?1, ?2)
                   ON CONFLICT (source) DO UPDATE SET cursor = excluded.cursor";
        write.execute(sql, (source.as_str(), cursor.cast_signed()))?;
    }
    Ok(applying.has_due)
}

impl Applying<'_, '_> {
    fn one(&mut self, change: &Change) -> Result<(), StorageError> {
        let did = &change.account;
        match &change.kind {
            ChangeKind::Tag(tag) => records::put_tag(self, did, tag),
            ChangeKind::Manifest(manifest) => records::put_manifest(self, did, manifest),
            ChangeKind::Page { name, text } => records::put_page(self, did, name, text),
            ChangeKind::NoTag(key) => records::remove_tag(self, did, key),
            ChangeKind::NoManifest(digest) => records::remove_manifest(self, did, digest),
            ChangeKind::Star { key, owner, name } => stars::put(self, did, key, owner, name),
            ChangeKind::NoStar(key) => stars::remove(self, did, key),
            ChangeKind::Captain { is_public } => holds::record_says(self, did, *is_public),
            ChangeKind::Crew => holds::look_up_soon(self, did),
            ChangeKind::Stats(count) => records::set_pull_count(self, did, count),
            ChangeKind::Handle => accounts::check_handle(self, did),
            ChangeKind::Active(is_active) => accounts::set_active(self, did, *is_active),
            ChangeKind::Gone => account_records::forget(self.write, did).map(drop),
            ChangeKind::List => accounts::list(self, did),
            ChangeKind::Relist if accounts::known(self.write, did)?.is_none() => Ok(()),
            ChangeKind::Relist => accounts::list(self, did),
            ChangeKind::Clear => self.clear(did),
            ChangeKind::Seen if !self.limits.lists_new => Ok(()),
            ChangeKind::Seen => accounts::of(self, did).map(drop),
        }
    }

    fn clear(&mut self, did: &Did) -> Result<(), StorageError> {
        self.touched.clear();
        account_records::clear(self.write, did)
    }
}

/// Returns the stored cursor of a source.
///
/// # Errors
/// As [`apply`].
pub fn cursor(read: &Read<'_>, source: &str) -> Result<Option<u64>, StorageError> {
    let sql = "SELECT cursor FROM index_cursor WHERE source = ?1";
    read.first(sql, [source], |row| row.number(0))
}

/// Forgets the cursor of a source.
///
/// # Errors
/// As [`apply`].
pub fn forget_cursor(write: &Write<'_>, source: &str) -> Result<(), StorageError> {
    write.execute("DELETE FROM index_cursor WHERE source = ?1", [source]).map(drop)
}

/// Forgets accounts without records, and some of the oldest repositories if there are more than `total` records.
/// Returns the number of repositories, or 1 for an account whose stars were forgotten as there are no repositories.
///
/// # Errors
/// As [`apply`].
pub fn sweep(write: &Write<'_>, total: u64) -> Result<usize, StorageError> {
    let empty = "DELETE FROM index_account WHERE id IN
                 (SELECT id FROM index_account WHERE records = 0 AND list_us IS NULL LIMIT 1000)";
    write.execute(empty, [])?;
    if self::totals(write)?.records <= total {
        return Ok(0);
    }
    let sql = "SELECT id FROM index_repository ORDER BY pushed_us LIMIT ?1";
    let oldest = write.all(sql, [row_limit(SWEPT_AT_ONCE)], |row| row.get::<_, i64>(0))?;
    for id in &oldest {
        records::forget(write, *id)?;
    }
    if oldest.is_empty() {
        // Only stars are left.
        return stars::forget_some(write, SWEPT_AT_ONCE);
    }
    Ok(oldest.len())
}

/// Returns the totals of the index.
///
/// # Errors
/// As [`apply`].
pub fn totals(read: &Read<'_>) -> Result<IndexTotals, StorageError> {
    let sql = "SELECT (SELECT count(*) FROM index_account WHERE records > 0),
               (SELECT coalesce(sum(records), 0) FROM index_account),
               (SELECT count(*) FROM index_repository WHERE is_shown = 1),
               (SELECT count(*) FROM index_account WHERE list_us IS NOT NULL),
               (SELECT min(list_us) FROM index_account WHERE list_us IS NOT NULL)";
    let row = read.first(sql, [], |row| {
        Ok(IndexTotals {
            accounts: row.number(0)?,
            records: row.number(1)?,
            shown: row.number(2)?,
            to_list: row.number(3)?,
            due_us: row.number_or_null(4)?,
        })
    })?;
    Ok(row.unwrap_or_default())
}
