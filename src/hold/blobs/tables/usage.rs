//! The usage that counts in an account's quota. Triggers keep the sums with every row, so reading one costs one
//! look-up.

use rusqlite::Row;

use super::UploadKey;
use atproto::syntax::Did;
use server::sqlite::{Read, Write};
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
    let staged_bytes = read.first(sql, [account.as_str()], |row| row.get::<_, i64>(0))?.unwrap_or(0).cast_unsigned();
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
    for (account, bytes) in read.all(sql, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))? {
        let staged_bytes = bytes.cast_unsigned();
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
    let mut uploads = read.all(sql, [account.as_str()], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(2)?.cast_unsigned()))
    })?;
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
    let number = |index| Ok::<_, rusqlite::Error>(row.get::<_, i64>(index)?.cast_unsigned());
    let usage = AccountUsage {
        layers: number(1)?,
        layer_bytes: number(2)?,
        configs: number(3)?,
        config_bytes: number(4)?,
        unreferenced: number(5)?,
        unreferenced_bytes: number(6)?,
        staged_bytes: 0,
    };
    Ok((row.get(0)?, usage))
}
