//! The rows of acknowledged blobs. The use of a blob is not known here.

use atproto::syntax::Digest;
use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

/// An acknowledged blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRow {
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's size in bytes.
    pub size_bytes: u64,
}

/// A number of blobs and their total size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlobTotals {
    /// Number of blobs.
    pub blobs: u64,
    /// Total size of the blobs in bytes.
    pub size_bytes: u64,
}

/// Returns the first and the last digest that begin with the byte `first`.
pub(crate) fn bounds(first: u8) -> ([u8; 32], [u8; 32]) {
    let (mut low, mut high) = ([0; 32], [0xff; 32]);
    (low[0], high[0]) = (first, first);
    (low, high)
}

/// Returns the size of an acknowledged blob in bytes.
///
/// # Errors
/// When the database fails.
pub fn blob_size(read: &Read<'_>, digest: &Digest) -> Result<Option<u64>, StorageError> {
    let sql = "SELECT size_bytes FROM blob WHERE digest = ?1";
    read.first(sql, [digest.as_bytes()], |row| row.number(0))
}

/// Returns the acknowledged blobs whose digest begins with the byte `first`, in the order of their digests: about 1/256
/// of all.
///
/// # Errors
/// When the database fails.
pub fn blobs_of(read: &Read<'_>, first: u8) -> Result<Vec<BlobRow>, StorageError> {
    let sql = "SELECT digest, size_bytes FROM blob WHERE digest BETWEEN ?1 AND ?2 ORDER BY digest";
    read.all(sql, bounds(first), |row| {
        Ok(BlobRow { digest: Digest::from_bytes(row.get(0)?), size_bytes: row.number(1)? })
    })
}

/// Returns the number and the total size of the acknowledged blobs.
///
/// # Errors
/// When the database fails.
pub fn blob_totals(read: &Read<'_>) -> Result<BlobTotals, StorageError> {
    let totals = read.first("SELECT count(*), coalesce(sum(size_bytes), 0) FROM blob", [], |row| {
        Ok(BlobTotals { blobs: row.number(0)?, size_bytes: row.number(1)? })
    })?;
    Ok(totals.unwrap_or_default())
}

/// Records a blob as acknowledged at `now_us`, for the first time or again. A pending deletion of its object is
/// dropped.
///
/// # Errors
/// When the database fails.
pub fn put_blob(write: &Write<'_>, digest: &Digest, size_bytes: u64, now_us: u64) -> Result<(), StorageError> {
    let sql = "INSERT INTO blob (digest, size_bytes, completed_us) VALUES (?1, ?2, ?3)
               ON CONFLICT (digest) DO UPDATE SET size_bytes = ?2, completed_us = ?3";
    write.execute(sql, (digest.as_bytes(), size_bytes.cast_signed(), now_us.cast_signed()))?;
    delete_pending_deletion(write, digest)
}

/// Deletes a blob's row and the rows of uploads finished with it: a repeated completion must not report that the blob
/// is there.
///
/// # Errors
/// When the database fails.
pub fn delete_blob(write: &Write<'_>, digest: &Digest) -> Result<(), StorageError> {
    write.execute("DELETE FROM blob WHERE digest = ?1", [digest.as_bytes()])?;
    write.execute("DELETE FROM upload WHERE digest = ?1", [digest.as_bytes()])?;
    Ok(())
}

/// Deletes a pending deletion: the object is gone, or its blob has a row again.
///
/// # Errors
/// [`StorageError`].
pub fn delete_pending_deletion(write: &Write<'_>, digest: &Digest) -> Result<(), StorageError> {
    write.execute("DELETE FROM pending_deletion WHERE digest = ?1", [digest.as_bytes()]).map(drop)
}
