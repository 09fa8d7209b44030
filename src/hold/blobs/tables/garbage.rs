//! Last uses of blobs, uploaders of blobs, and pending deletions of objects. The rules are in the room `upkeep`.

use super::blobs::{BlobTotals, bounds, delete_blob};
use super::uploads::UploadKey;
use atproto::syntax::Digest;
use server::sqlite::{Columns as _, Read, Write, row_limit};
use server::storage::StorageError;

/// An acknowledged blob and its last use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobUseRow {
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's size in bytes.
    pub size_bytes: u64,
    /// Time when an upload last completed with the blob or a client last asked for it, in microseconds since 1970.
    pub used_us: u64,
}

/// A pending deletion: a blob that has no row any more, and whose object is to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingDeletionRow {
    /// The blob's digest.
    pub digest: Digest,
    /// The size the blob had, in bytes.
    pub size_bytes: u64,
    /// Time when the store was last asked to remove the object, in microseconds since 1970.
    pub removed_us: u64,
}

/// Returns the acknowledged blobs whose digest begins with the byte `first`, with their last uses.
///
/// # Errors
/// [`StorageError`] when the database fails, as for every function here.
pub fn blob_uses_of(read: &Read<'_>, first: u8) -> Result<Vec<BlobUseRow>, StorageError> {
    let sql = "SELECT digest, size_bytes, max(completed_us, coalesce(last_used_us, 0)) FROM blob
               WHERE digest BETWEEN ?1 AND ?2";
    read.all(sql, bounds(first), |row| {
        let digest = Digest::from_bytes(row.get(0)?);
        Ok(BlobUseRow { digest, size_bytes: row.number(1)?, used_us: row.number(2)? })
    })
}

/// Whether one of the blobs whose digest begins with the byte `first` was used after `latest_us`, in microseconds since 1970.
///
/// # Errors
/// [`StorageError`].
pub fn has_later_use(read: &Read<'_>, first: u8, latest_us: u64) -> Result<bool, StorageError> {
    let (low, high) = bounds(first);
    let sql = "SELECT 1 FROM blob WHERE digest BETWEEN ?1 AND ?2 AND max(completed_us, coalesce(last_used_us, 0)) > ?3 LIMIT 1";
    Ok(read.first(sql, (low, high, latest_us.cast_signed()), |_| Ok(()))?.is_some())
}

/// Returns an acknowledged blob and its last use.
///
/// # Errors
/// [`StorageError`].
pub fn blob_use(read: &Read<'_>, digest: &Digest) -> Result<Option<BlobUseRow>, StorageError> {
    let sql = "SELECT size_bytes, max(completed_us, coalesce(last_used_us, 0)) FROM blob WHERE digest = ?1";
    read.first(sql, [digest.as_bytes()], |row| {
        Ok(BlobUseRow { digest: *digest, size_bytes: row.number(0)?, used_us: row.number(1)? })
    })
}

/// Returns the accounts that completed uploads of a blob, as far as recorded; the empty text stands for a repair.
///
/// # Errors
/// [`StorageError`].
pub fn uploaders(read: &Read<'_>, digest: &Digest) -> Result<Vec<String>, StorageError> {
    read.all("SELECT account FROM blob_uploader WHERE digest = ?1", [digest.as_bytes()], |row| row.get(0))
}

/// Records that a repair found a blob: its uploader is unknown.
///
/// # Errors
/// [`StorageError`].
pub fn put_found(write: &Write<'_>, digest: &Digest) -> Result<(), StorageError> {
    let sql = "INSERT INTO blob_uploader (digest, account) VALUES (?1, '') ON CONFLICT DO NOTHING";
    write.execute(sql, [digest.as_bytes()]).map(drop)
}

/// Records the account of upload `id` as an uploader of a blob, and drops the mark of a blob found by a repair.
///
/// # Errors
/// [`StorageError`].
pub fn put_uploader(write: &Write<'_>, digest: &Digest, id: &UploadKey) -> Result<(), StorageError> {
    let sql = "INSERT INTO blob_uploader (digest, account) SELECT ?1, account FROM upload WHERE id = ?2
               ON CONFLICT DO NOTHING";
    write.execute(sql, (digest.as_bytes(), id))?;
    write.execute("DELETE FROM blob_uploader WHERE digest = ?1 AND account = ''", [digest.as_bytes()]).map(drop)
}

/// At most `limit` blobs whose objects are to go, and which the store was not asked to remove between `before_us` and
/// `now_us`. What was asked for later was asked for while the clock was ahead.
///
/// # Errors
/// [`StorageError`].
pub fn pending_deletions(
    read: &Read<'_>,
    before_us: u64,
    now_us: u64,
    limit: usize,
) -> Result<Vec<PendingDeletionRow>, StorageError> {
    let sql = "SELECT digest, size_bytes, removed_us FROM pending_deletion
               WHERE removed_us <= ?1 OR removed_us > ?2 LIMIT ?3";
    read.all(sql, (before_us.cast_signed(), now_us.cast_signed(), row_limit(limit)), |row| {
        let digest = Digest::from_bytes(row.get(0)?);
        Ok(PendingDeletionRow { digest, size_bytes: row.number(1)?, removed_us: row.number(2)? })
    })
}

/// Returns the time when the store was last asked to remove the object of this digest, in microseconds since 1970;
/// `None` when no deletion is pending.
///
/// # Errors
/// [`StorageError`].
pub fn pending_deletion_us(read: &Read<'_>, digest: &Digest) -> Result<Option<u64>, StorageError> {
    let sql = "SELECT removed_us FROM pending_deletion WHERE digest = ?1";
    read.first(sql, [digest.as_bytes()], |row| row.number(0))
}

/// Returns the number of pending deletions and the total size of their objects in bytes.
///
/// # Errors
/// [`StorageError`].
pub fn pending_deletion_totals(read: &Read<'_>) -> Result<BlobTotals, StorageError> {
    let sql = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM pending_deletion";
    let totals = read.first(sql, [], |row| Ok(BlobTotals { blobs: row.number(0)?, size_bytes: row.number(1)? }))?;
    Ok(totals.unwrap_or_default())
}

/// Records the last use of a blob, unless a use less than `every_us` earlier is recorded. Does nothing for a blob
/// without a row.
///
/// # Errors
/// [`StorageError`].
pub fn put_last_used(write: &Write<'_>, digest: &Digest, used_us: u64, every_us: u64) -> Result<(), StorageError> {
    let sql = "UPDATE blob SET last_used_us = ?2
               WHERE digest = ?1 AND max(completed_us, coalesce(last_used_us, 0)) + ?3 <= ?2";
    write.execute(sql, (digest.as_bytes(), used_us.cast_signed(), every_us.cast_signed())).map(drop)
}

/// Sets uses after `latest_us` of the blobs whose digest begins with the byte `first` to `now_us`: they are of a clock that
/// was ahead.
///
/// # Errors
/// [`StorageError`].
pub fn bring_back_uses(write: &Write<'_>, first: u8, now_us: u64, latest_us: u64) -> Result<(), StorageError> {
    let (low, high) = bounds(first);
    let sql = "UPDATE blob SET completed_us = iif(completed_us > ?4, ?3, completed_us),
                               last_used_us = iif(last_used_us > ?4, ?3, last_used_us)
               WHERE digest BETWEEN ?1 AND ?2 AND max(completed_us, coalesce(last_used_us, 0)) > ?4";
    write.execute(sql, (low, high, now_us.cast_signed(), latest_us.cast_signed())).map(drop)
}

/// Deletes a blob's row as [`delete_blob`] does, and records the pending deletion of its object.
///
/// # Errors
/// [`StorageError`].
pub fn put_pending_deletion(
    write: &Write<'_>,
    digest: &Digest,
    size_bytes: u64,
    now_us: u64,
) -> Result<(), StorageError> {
    delete_blob(write, digest)?;
    let sql = "INSERT INTO pending_deletion (digest, size_bytes, removed_us) VALUES (?1, ?2, ?3)
               ON CONFLICT (digest) DO UPDATE SET size_bytes = ?2, removed_us = ?3";
    write.execute(sql, (digest.as_bytes(), size_bytes.cast_signed(), now_us.cast_signed())).map(drop)
}

/// Records that the store is asked once more to remove an object. Returns whether its deletion is still pending.
///
/// # Errors
/// [`StorageError`].
pub fn renew_pending_deletion(write: &Write<'_>, digest: &Digest, now_us: u64) -> Result<bool, StorageError> {
    let sql = "UPDATE pending_deletion SET removed_us = ?2 WHERE digest = ?1";
    Ok(write.execute(sql, (digest.as_bytes(), now_us.cast_signed()))? == 1)
}
