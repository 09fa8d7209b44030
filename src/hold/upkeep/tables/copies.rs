//! Progress of a migration of the blobs to another storage. The rules are in the room `upkeep`.

use std::collections::HashMap;

use crate::blobs;
use crate::blobs::BlobRow;
use atproto::syntax::Digest;
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// A blob, and its recorded copy in the target of the migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedRow {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// ETag of the verified object in the target; `None` before.
    pub etag: Option<String>,
}

/// Returns the blobs whose digest begins with the byte `first`, in the order of their digests.
///
/// # Errors
/// When the database fails.
pub fn copied_of(read: &Read<'_>, first: u8) -> Result<Vec<CopiedRow>, StorageError> {
    let (mut low, mut high) = ([0; 32], [0xff; 32]);
    (low[0], high[0]) = (first, first);
    let sql = "SELECT digest, etag FROM copied WHERE digest BETWEEN ?1 AND ?2";
    let copied = read.all(sql, (low, high), |row| Ok((Digest::from_bytes(row.get(0)?), row.get(1)?)))?;
    let mut copied: HashMap<Digest, String> = copied.into_iter().collect();
    let row = |blob: BlobRow| {
        let etag = copied.remove(&blob.digest);
        CopiedRow { digest: blob.digest, size_bytes: blob.size_bytes, etag }
    };
    Ok(blobs::blobs_of(read, first)?.into_iter().map(row).collect())
}

/// Begins a migration to `target`, or continues it; the progress of one to another target is deleted.
///
/// # Errors
/// When the database fails.
pub fn begin_migration(write: &Write<'_>, target: &str) -> Result<(), StorageError> {
    let sql = "SELECT target FROM migration WHERE id = 1";
    if write.first(sql, [], |row| row.get::<_, String>(0))?.is_some_and(|known| known == target) {
        return Ok(());
    }
    write.execute("DELETE FROM copied", [])?;
    write.execute("INSERT OR REPLACE INTO migration (id, target) VALUES (1, ?1)", [target])?;
    Ok(())
}

/// Records that the target has a blob, verified, under this ETag. A blob that was deleted meanwhile is not recorded.
///
/// # Errors
/// When the database fails.
pub fn put_copied(write: &Write<'_>, digest: &Digest, etag: &str) -> Result<(), StorageError> {
    if blobs::blob_size(write, digest)?.is_none() {
        return Ok(());
    }
    write.execute("INSERT OR REPLACE INTO copied (digest, etag) VALUES (?1, ?2)", (digest.as_bytes(), etag)).map(drop)
}
