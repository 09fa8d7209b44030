//! When blobs were last used, and blobs whose objects are to go. The rules are in the room `upkeep`.

use crate::storage::StorageError;
use atproto::syntax::Digest;

use super::{Read, Write};

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
pub struct DoomedRow {
    /// Its digest.
    pub digest: Digest,
    /// The size it had, in bytes.
    pub size_bytes: u64,
    /// When the store was last asked to remove the object, in microseconds since 1970.
    pub removed_us: u64,
}

impl Read<'_> {
    /// The acknowledged blobs whose digest begins with the byte `first`.
    ///
    /// # Errors
    /// [`StorageError`] as for every method here.
    pub fn blob_uses_of(&self, first: u8) -> Result<Vec<BlobUseRow>, StorageError> {
        let sql = "SELECT digest, size_bytes, max(completed_us, coalesce(asked_us, 0)) FROM blob
                   WHERE digest BETWEEN ?1 AND ?2";
        self.all(sql, super::blobs::bounds(first), |row| {
            let (size_bytes, used_us) = (row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(2)?.cast_unsigned());
            Ok(BlobUseRow { digest: Digest::from_bytes(row.get(0)?), size_bytes, used_us })
        })
    }

    /// An acknowledged blob, and when it was last used.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn blob_use(&self, digest: &Digest) -> Result<Option<BlobUseRow>, StorageError> {
        let sql = "SELECT size_bytes, max(completed_us, coalesce(asked_us, 0)) FROM blob WHERE digest = ?1";
        self.first(sql, [digest.as_bytes()], |row| {
            let (size_bytes, used_us) = (row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned());
            Ok(BlobUseRow { digest: *digest, size_bytes, used_us })
        })
    }

    /// At most `limit` blobs whose objects are to go, and which the store was not asked to remove since `before_us`.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn doomed(&self, before_us: u64, limit: usize) -> Result<Vec<DoomedRow>, StorageError> {
        let sql = "SELECT digest, size_bytes, removed_us FROM doomed WHERE removed_us <= ?1 LIMIT ?2";
        self.all(sql, (before_us.cast_signed(), limit.cast_signed()), |row| {
            let (size_bytes, removed_us) =
                (row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(2)?.cast_unsigned());
            Ok(DoomedRow { digest: Digest::from_bytes(row.get(0)?), size_bytes, removed_us })
        })
    }

    /// When the store was last asked to remove the object of this digest, in microseconds since 1970; `None`: it is
    /// not to go.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn doomed_us(&self, digest: &Digest) -> Result<Option<u64>, StorageError> {
        let sql = "SELECT removed_us FROM doomed WHERE digest = ?1";
        Ok(self.first(sql, [digest.as_bytes()], |row| row.get::<_, i64>(0))?.map(i64::cast_unsigned))
    }

    /// How many objects are to go, and their bytes.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn doomed_totals(&self) -> Result<(u64, u64), StorageError> {
        let sql = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM doomed";
        let totals = self.first(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        Ok(totals.map_or((0, 0), |(blobs, size_bytes)| (blobs.cast_unsigned(), size_bytes.cast_unsigned())))
    }
}

impl Write<'_> {
    /// Writes down when somebody last asked for a blob, unless a use less than `every_us` before is known. A blob that
    /// is not there stays so.
    ///
    /// # Errors
    /// [`StorageError`] as for every method here.
    pub fn put_asked(&self, digest: &Digest, asked_us: u64, every_us: u64) -> Result<(), StorageError> {
        let sql = "UPDATE blob SET asked_us = ?2
                   WHERE digest = ?1 AND max(completed_us, coalesce(asked_us, 0)) + ?3 <= ?2";
        self.execute(sql, (digest.as_bytes(), asked_us.cast_signed(), every_us.cast_signed())).map(drop)
    }

    /// Forgets a blob as [`Write::delete_blob`] does, and writes down that its object is to go.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn doom_blob(&self, digest: &Digest, size_bytes: u64, now_us: u64) -> Result<(), StorageError> {
        self.delete_blob(digest)?;
        let sql = "INSERT INTO doomed (digest, size_bytes, removed_us) VALUES (?1, ?2, ?3)
                   ON CONFLICT (digest) DO UPDATE SET size_bytes = ?2, removed_us = ?3";
        self.execute(sql, (digest.as_bytes(), size_bytes.cast_signed(), now_us.cast_signed())).map(drop)
    }

    /// Writes down that the store is asked once more to remove an object; answers whether it is still to go.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn doom_again(&self, digest: &Digest, now_us: u64) -> Result<bool, StorageError> {
        let sql = "UPDATE doomed SET removed_us = ?2 WHERE digest = ?1";
        Ok(self.execute(sql, (digest.as_bytes(), now_us.cast_signed()))? == 1)
    }

    /// Notes that an object is gone, or that its blob has a row again.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn delete_doomed(&self, digest: &Digest) -> Result<(), StorageError> {
        self.execute("DELETE FROM doomed WHERE digest = ?1", [digest.as_bytes()]).map(drop)
    }
}
