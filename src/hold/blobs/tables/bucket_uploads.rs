//! The rows that uploads into a bucket have beside those of every upload. The rules are in the room `blobs`.

use rusqlite::Row;

use super::{UploadKey, put_measured};
use atproto::syntax::{Did, Digest};
use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

/// The multipart upload of an upload into a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUploadRow {
    /// The store's id of the multipart upload.
    pub multipart: String,
    /// Whether the store may have other bytes than those the hold saw.
    pub bypassed_hold: bool,
    /// The staged object, once the parts were assembled.
    pub staged: Option<StagedRow>,
}

/// A staged object: the assembled parts of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedRow {
    /// Size of the object in bytes.
    pub size_bytes: u64,
    /// The object's ETag as the store writes it.
    pub etag: String,
    /// The object's SHA-256, once it is known.
    pub digest: Option<Digest>,
}

/// A part that went, or began to go, through the hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPartRow {
    /// The part's number, 1..=10000.
    pub number: u32,
    /// The part's length in bytes.
    pub size_bytes: u64,
    /// The part's ETag as the store returned it, without quotes; empty until then.
    pub etag: String,
    /// The unfinished SHA-256 of all bytes up to the part's end, if all of them are known.
    pub hash_state: Option<Vec<u8>>,
}

impl BucketPartRow {
    /// Returns the row of a part that began to be sent; nothing else of it is known.
    #[must_use]
    pub fn begun(number: u32) -> Self {
        Self { number, size_bytes: 0, etag: String::new(), hash_state: None }
    }
}

/// Returns the multipart upload of an upload; `None` before its first part or part URL, and once it is finished.
///
/// # Errors
/// When the database fails.
pub fn bucket_upload(read: &Read<'_>, id: &UploadKey) -> Result<Option<BucketUploadRow>, StorageError> {
    let sql = "SELECT multipart, bypassed_hold, size_bytes, etag, digest FROM bucket_upload WHERE upload = ?1";
    read.first(sql, [id], |row| {
        let size_bytes = row.number_or_null(2)?;
        let digest = row.get::<_, Option<[u8; 32]>>(4)?.map(Digest::from_bytes);
        let staged = size_bytes.zip(row.get(3)?).map(|(size_bytes, etag)| StagedRow { size_bytes, etag, digest });
        Ok(BucketUploadRow { multipart: row.get(0)?, bypassed_hold: row.get(1)?, staged })
    })
}

/// Returns the parts that were sent through the hold, in the order of their numbers.
///
/// # Errors
/// When the database fails.
pub fn bucket_parts(read: &Read<'_>, id: &UploadKey) -> Result<Vec<BucketPartRow>, StorageError> {
    let sql = "SELECT number, size_bytes, etag, hash_state FROM bucket_part WHERE upload = ?1 ORDER BY number";
    read.all(sql, [id], part_row)
}

/// Returns one part that was sent through the hold.
///
/// # Errors
/// When the database fails.
pub fn bucket_part(read: &Read<'_>, id: &UploadKey, number: u32) -> Result<Option<BucketPartRow>, StorageError> {
    let sql = "SELECT number, size_bytes, etag, hash_state FROM bucket_part WHERE upload = ?1 AND number = ?2";
    read.first(sql, (id, number), part_row)
}

/// Returns the total size in bytes of the parts that were sent through the hold.
///
/// # Errors
/// When the database fails.
pub fn bucket_part_bytes(read: &Read<'_>, id: &UploadKey) -> Result<u64, StorageError> {
    let sql = "SELECT coalesce(sum(size_bytes), 0) FROM bucket_part WHERE upload = ?1";
    Ok(read.first(sql, [id], |row| row.number(0))?.unwrap_or(0))
}

/// An open upload whose parts may have bypassed the hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BypassedUploadRow {
    /// The upload's id.
    pub id: UploadKey,
    /// The account that began the upload.
    pub account: Did,
    /// The store's id of the multipart upload.
    pub multipart: String,
    /// Whether the parts are assembled already.
    pub is_staged: bool,
}

/// Returns the open uploads whose parts may have bypassed the hold.
///
/// # Errors
/// When the database fails or is damaged.
pub fn bypassed_uploads(read: &Read<'_>) -> Result<Vec<BypassedUploadRow>, StorageError> {
    let sql = "SELECT upload, account, multipart, etag IS NOT NULL FROM bucket_upload JOIN upload ON id = upload
               WHERE bypassed_hold = 1";
    read.all(sql, [], |row| {
        Ok(BypassedUploadRow {
            id: row.get(0)?,
            account: row.parse(1, Did::parse)?,
            multipart: row.get(2)?,
            is_staged: row.get(3)?,
        })
    })
}

/// Records the store's id of an upload's multipart upload.
///
/// # Errors
/// When the database fails, or an id is recorded already.
pub fn begin_bucket_upload(
    write: &Write<'_>,
    id: &UploadKey,
    multipart: &str,
    bypassed_hold: bool,
) -> Result<(), StorageError> {
    let sql = "INSERT INTO bucket_upload (upload, multipart, bypassed_hold) VALUES (?1, ?2, ?3)";
    write.execute(sql, (id, multipart, bypassed_hold))?;
    Ok(())
}

/// Records that the store may have other bytes than those the hold saw.
///
/// # Errors
/// When the database fails.
pub fn mark_bypassed_hold(write: &Write<'_>, id: &UploadKey) -> Result<(), StorageError> {
    write.execute("UPDATE bucket_upload SET bypassed_hold = 1 WHERE upload = ?1", [id])?;
    Ok(())
}

/// Records a part; replaces an earlier one of the same number.
///
/// # Errors
/// When the database fails.
pub fn put_bucket_part(write: &Write<'_>, id: &UploadKey, part: &BucketPartRow) -> Result<(), StorageError> {
    let sql = "INSERT INTO bucket_part (upload, number, size_bytes, etag, hash_state)
               VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (upload, number) DO UPDATE SET size_bytes = ?3, etag = ?4, hash_state = ?5";
    write.execute(sql, (id, part.number, part.size_bytes.cast_signed(), &part.etag, &part.hash_state))?;
    Ok(())
}

/// Records the object that was assembled of the parts.
///
/// # Errors
/// When the database fails.
pub fn put_staged(write: &Write<'_>, id: &UploadKey, staged: &StagedRow) -> Result<(), StorageError> {
    let sql = "UPDATE bucket_upload SET size_bytes = ?2, etag = ?3, digest = ?4 WHERE upload = ?1";
    let digest = staged.digest.as_ref().map(Digest::as_bytes);
    write.execute(sql, (id, staged.size_bytes.cast_signed(), &staged.etag, digest))?;
    put_measured(write, id, staged.size_bytes)
}

fn part_row(row: &Row<'_>) -> rusqlite::Result<BucketPartRow> {
    Ok(BucketPartRow { number: row.get(0)?, size_bytes: row.number(1)?, etag: row.get(2)?, hash_state: row.get(3)? })
}
