//! When blobs were last used, and blobs whose objects are to go. The rules are in the room `upkeep`.

use super::blobs::{bounds, delete_blob};
use super::uploads::UploadKey;
use atproto::syntax::Digest;
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// An acknowledged blob, and when it was last used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobUseRow {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// When an upload last completed with it or somebody last asked for it, in microseconds since 1970.
    pub used_us: u64,
}

/// A blob that has no row any more, and whose object is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingDeletionRow {
    /// Its digest.
    pub digest: Digest,
    /// The size it had, in bytes.
    pub size_bytes: u64,
    /// When the store was last asked to remove the object, in microseconds since 1970.
    pub removed_us: u64,
}

/// The acknowledged blobs whose digest begins with the byte `first`.
///
/// # Errors
/// [`StorageError`] as for every method here.
pub fn blob_uses_of(read: &Read<'_>, first: u8) -> Result<Vec<BlobUseRow>, StorageError> {
    let sql = "SELECT digest, size_bytes, max(completed_us, coalesce(last_used_us, 0)) FROM blob
               WHERE digest BETWEEN ?1 AND ?2";
    read.all(sql, bounds(first), |row| {
        let (size_bytes, used_us) = (row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(2)?.cast_unsigned());
        Ok(BlobUseRow { digest: Digest::from_bytes(row.get(0)?), size_bytes, used_us })
    })
}

/// An acknowledged blob, and when it was last used.
///
/// # Errors
/// [`StorageError`].
pub fn blob_use(read: &Read<'_>, digest: &Digest) -> Result<Option<BlobUseRow>, StorageError> {
    let sql = "SELECT size_bytes, max(completed_us, coalesce(last_used_us, 0)) FROM blob WHERE digest = ?1";
    read.first(sql, [digest.as_bytes()], |row| {
        let (size_bytes, used_us) = (row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned());
        Ok(BlobUseRow { digest: *digest, size_bytes, used_us })
    })
}

/// Who completed uploads of a blob, as far as that was written down; the empty text when a repair found it.
///
/// # Errors
/// [`StorageError`].
pub fn uploaders(read: &Read<'_>, digest: &Digest) -> Result<Vec<String>, StorageError> {
    read.all("SELECT account FROM blob_uploader WHERE digest = ?1", [digest.as_bytes()], |row| row.get(0))
}

/// Writes down that a repair found a blob: nobody is known who uploaded it.
///
/// # Errors
/// [`StorageError`].
pub fn put_found(write: &Write<'_>, digest: &Digest) -> Result<(), StorageError> {
    let sql = "INSERT INTO blob_uploader (digest, account) VALUES (?1, '') ON CONFLICT DO NOTHING";
    write.execute(sql, [digest.as_bytes()]).map(drop)
}

/// Writes down who completed the upload `id` of a blob, which is a found one no more.
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
    read.all(sql, (before_us.cast_signed(), now_us.cast_signed(), limit.cast_signed()), |row| {
        let (size_bytes, removed_us) = (row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(2)?.cast_unsigned());
        Ok(PendingDeletionRow { digest: Digest::from_bytes(row.get(0)?), size_bytes, removed_us })
    })
}

/// When the store was last asked to remove the object of this digest, in microseconds since 1970; `None`: it is
/// not to go.
///
/// # Errors
/// [`StorageError`].
pub fn pending_deletion_us(read: &Read<'_>, digest: &Digest) -> Result<Option<u64>, StorageError> {
    let sql = "SELECT removed_us FROM pending_deletion WHERE digest = ?1";
    Ok(read.first(sql, [digest.as_bytes()], |row| row.get::<_, i64>(0))?.map(i64::cast_unsigned))
}

/// How many objects are to go, and their bytes.
///
/// # Errors
/// [`StorageError`].
pub fn pending_deletion_totals(read: &Read<'_>) -> Result<(u64, u64), StorageError> {
    let sql = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM pending_deletion";
    let totals = read.first(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    Ok(totals.map_or((0, 0), |(blobs, size_bytes)| (blobs.cast_unsigned(), size_bytes.cast_unsigned())))
}

/// Writes down when somebody last asked for a blob, unless a use less than `every_us` before is known. A blob that
/// is not there stays so.
///
/// # Errors
/// [`StorageError`] as for every method here.
pub fn put_last_used(write: &Write<'_>, digest: &Digest, used_us: u64, every_us: u64) -> Result<(), StorageError> {
    let sql = "UPDATE blob SET last_used_us = ?2
               WHERE digest = ?1 AND max(completed_us, coalesce(last_used_us, 0)) + ?3 <= ?2";
    write.execute(sql, (digest.as_bytes(), used_us.cast_signed(), every_us.cast_signed())).map(drop)
}

/// Forgets a blob as [`delete_blob`] does, and writes down that its object is to go.
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

/// Writes down that the store is asked once more to remove an object; answers whether it is still to go.
///
/// # Errors
/// [`StorageError`].
pub fn renew_pending_deletion(write: &Write<'_>, digest: &Digest, now_us: u64) -> Result<bool, StorageError> {
    let sql = "UPDATE pending_deletion SET removed_us = ?2 WHERE digest = ?1";
    Ok(write.execute(sql, (digest.as_bytes(), now_us.cast_signed()))? == 1)
}

/// Notes that an object is gone, or that its blob has a row again.
///
/// # Errors
/// [`StorageError`].
pub fn delete_pending_deletion(write: &Write<'_>, digest: &Digest) -> Result<(), StorageError> {
    write.execute("DELETE FROM pending_deletion WHERE digest = ?1", [digest.as_bytes()]).map(drop)
}
