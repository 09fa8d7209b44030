//! What a migration of the blobs to another storage has done. The rules are in the room `upkeep`.

use crate::storage::StorageError;
use atproto::syntax::Digest;

use super::{Read, Write};

/// A blob, and what is known of it in the storage that blobs are copied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedRow {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The target's name for the object whose bytes were proven; `None` before.
    pub etag: Option<String>,
}

impl Read<'_> {
    /// The blobs whose digest begins with the byte `first`, in the order of their digests.
    ///
    /// # Errors
    /// When the database fails.
    pub fn copied_of(&self, first: u8) -> Result<Vec<CopiedRow>, StorageError> {
        let sql = "SELECT blob.digest, size_bytes, etag FROM blob LEFT JOIN copied USING (digest)
                   WHERE blob.digest BETWEEN ?1 AND ?2 ORDER BY blob.digest";
        self.all(sql, super::blobs::bounds(first), |row| {
            let size_bytes = row.get::<_, i64>(1)?.cast_unsigned();
            Ok(CopiedRow { digest: Digest::from_bytes(row.get(0)?), size_bytes, etag: row.get(2)? })
        })
    }
}

impl Write<'_> {
    /// Begins a migration to `target`, or goes on with it: what another one has done is forgotten.
    ///
    /// # Errors
    /// When the database fails.
    pub fn begin_migration(&self, target: &str) -> Result<(), StorageError> {
        let sql = "SELECT target FROM migration WHERE id = 1";
        if self.first(sql, [], |row| row.get::<_, String>(0))?.is_some_and(|known| known == target) {
            return Ok(());
        }
        self.execute("DELETE FROM copied", [])?;
        self.execute("INSERT OR REPLACE INTO migration (id, target) VALUES (1, ?1)", [target])?;
        Ok(())
    }

    /// Records that the target has a blob, proven, under this name. A blob that is gone by now is not recorded.
    ///
    /// # Errors
    /// When the database fails.
    pub fn put_copied(&self, digest: &Digest, etag: &str) -> Result<(), StorageError> {
        let sql = "INSERT OR REPLACE INTO copied (digest, etag) SELECT digest, ?2 FROM blob WHERE digest = ?1";
        self.execute(sql, (digest.as_bytes(), etag))?;
        Ok(())
    }
}
