//! The rows of proven blobs. What a blob is for is not known here.

use crate::storage::StorageError;
use crate::syntax::Digest;

use super::{Read, Write};

impl Read<'_> {
    /// The size of an acknowledged blob, in bytes.
    ///
    /// # Errors
    /// When the database fails.
    pub fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, StorageError> {
        let sql = "SELECT size_bytes FROM blob WHERE digest = ?1";
        let size = self.first(sql, [digest.as_bytes()], |row| row.get::<_, i64>(0))?;
        Ok(size.map(i64::cast_unsigned))
    }
}

impl Write<'_> {
    /// Records a blob as acknowledged, or that it was uploaded once more.
    ///
    /// # Errors
    /// When the database fails.
    pub fn put_blob(&self, digest: &Digest, size_bytes: u64, now_us: u64) -> Result<(), StorageError> {
        let sql = "INSERT INTO blob (digest, size_bytes, completed_us) VALUES (?1, ?2, ?3)
                   ON CONFLICT (digest) DO UPDATE SET size_bytes = ?2, completed_us = ?3";
        self.execute(sql, (digest.as_bytes(), size_bytes.cast_signed(), now_us.cast_signed()))?;
        Ok(())
    }
}
