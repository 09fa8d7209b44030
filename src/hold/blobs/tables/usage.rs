//! The usage that counts in an account's quota. Triggers keep the sums with every row, so reading one costs one
//! look-up.

use rusqlite::Row;

use super::UploadKey;
use atproto::syntax::Did;
use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

/// The usage that counts in an account's quota.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountUsage {
    /// Number of distinct layers of the account's manifests.
    pub layers: u64,
    /// Bytes in those layers. Where records differ in the size of a digest, the largest counts.
    pub layer_bytes: u64,
    /// Number of distinct configs of the account's manifests.
    pub configs: u64,
    /// Bytes in those configs.
    pub config_bytes: u64,
    /// Number of blobs that the account uploaded and no manifest names.
    pub unreferenced: u64,
    /// Bytes in those blobs.
    pub unreferenced_bytes: u64,
    /// Bytes in the parts of the account's open uploads.
    pub staged_bytes: u64,
}

impl AccountUsage {
    /// Returns the bytes in all blobs.
    #[must_use]
    pub fn blob_bytes(&self) -> u64 {
        self.layer_bytes + self.config_bytes + self.unreferenced_bytes
    }

    /// Returns the bytes in all blobs and in the parts of open uploads.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.blob_bytes() + self.staged_bytes
    }
}

/// Returns the usage of `account`. Reads one row, and one for each open upload of the account.
///
/// # Errors
/// When the database fails.
pub fn account_usage(read: &Read<'_>, account: &Did) -> Result<AccountUsage, StorageError> {
    let sql = "SELECT account, layers, layer_bytes, configs, config_bytes, unreferenced, unreferenced_bytes
               FROM account_usage WHERE account = ?1";
    let blobs = read.first(sql, [account.as_str()], usage_row)?.map(|(_, usage)| usage);
    let sql = "SELECT coalesce(sum(max(staged_bytes, measured_bytes)), 0) FROM upload
               WHERE account = ?1 AND digest IS NULL";
    let staged_bytes = read.first(sql, [account.as_str()], |row| row.number(0))?.unwrap_or(0);
    Ok(AccountUsage { staged_bytes, ..blobs.unwrap_or_default() })
}

/// Returns the usage of each account, in the order of the accounts. Rows whose account is not a DID are left out.
///
/// # Errors
/// When the database fails.
pub fn account_usages(read: &Read<'_>) -> Result<Vec<(Did, AccountUsage)>, StorageError> {
    let sql = "SELECT account, layers, layer_bytes, configs, config_bytes, unreferenced, unreferenced_bytes
               FROM account_usage ORDER BY account";
    let mut usages = read.all(sql, [], usage_row)?;
    let sql = "SELECT account, sum(max(staged_bytes, measured_bytes)) FROM upload
               WHERE digest IS NULL GROUP BY account";
    for (account, staged_bytes) in read.all(sql, [], |row| Ok((row.get::<_, String>(0)?, row.number(1)?)))? {
        match usages.binary_search_by(|(other, _)| other.cmp(&account)) {
            Ok(index) => usages[index].1.staged_bytes = staged_bytes,
            Err(index) => usages.insert(index, (account, AccountUsage { staged_bytes, ..AccountUsage::default() })),
        }
    }
    Ok(usages.into_iter().filter_map(|(account, usage)| Some((Did::parse(&account).ok()?, usage))).collect())
}

/// Returns the open uploads of `account` that have bytes, longest unused first: id, time of the last use in
/// microseconds since 1970, and bytes.
///
/// # Errors
/// When the database fails.
pub fn staged_uploads(read: &Read<'_>, account: &Did) -> Result<Vec<(UploadKey, u64, u64)>, StorageError> {
    let sql = "SELECT id, touched_us, max(staged_bytes, measured_bytes) FROM upload
               WHERE account = ?1 AND digest IS NULL";
    let mut uploads = read.all(sql, [account.as_str()], |row| Ok((row.get(0)?, row.number(1)?, row.number(2)?)))?;
    uploads.retain(|(_, _, bytes)| *bytes > 0);
    uploads.sort_unstable_by_key(|(id, touched_us, _)| (*touched_us, *id));
    Ok(uploads)
}

/// Records how many bytes the store reported for an upload.
///
/// # Errors
/// When the database fails.
pub fn put_measured(write: &Write<'_>, id: &UploadKey, bytes: u64) -> Result<(), StorageError> {
    write.execute("UPDATE upload SET measured_bytes = ?2 WHERE id = ?1", (id, bytes.cast_signed())).map(drop)
}

fn usage_row(row: &Row<'_>) -> rusqlite::Result<(String, AccountUsage)> {
    let usage = AccountUsage {
        layers: row.number(1)?,
        layer_bytes: row.number(2)?,
        configs: row.number(3)?,
        config_bytes: row.number(4)?,
        unreferenced: row.number(5)?,
        unreferenced_bytes: row.number(6)?,
        staged_bytes: 0,
    };
    Ok((row.get(0)?, usage))
}
