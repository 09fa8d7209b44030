//! The rows of upload sessions and their parts. The rules about them are in the room `blobs`.

use rusqlite::Row;

use atproto::syntax::{Did, Digest};
use server::sqlite::{Columns as _, Read, Write};
use server::storage::StorageError;

/// The id of an upload as it is stored.
pub type UploadKey = [u8; 16];

/// An upload session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRow {
    /// The account that began the upload.
    pub account: Did,
    /// Time of the last use: begin, a received part, a URL for a part, or completion; microseconds since 1970.
    pub touched_us: u64,
    /// The digest of the finished upload's blob; `None` while the upload is open.
    pub digest: Option<Digest>,
}

/// An open upload with the count and size of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenUploadRow {
    /// The upload's id.
    pub id: UploadKey,
    /// The account that began the upload.
    pub account: Did,
    /// Time of the last use: begin, a received part, or a URL for a part; microseconds since 1970.
    pub touched_us: u64,
    /// Number of parts that the hold received.
    pub parts: u32,
    /// Bytes in those parts.
    pub size_bytes: u64,
}

/// A part whose bytes are on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    /// The part's number, 1..=10000.
    pub number: u32,
    /// The part's length in bytes.
    pub size_bytes: u64,
    /// The part's ETag, by which the client must name it.
    pub etag: String,
    /// The place of the part's bytes.
    pub place: PartPlace,
}

/// The place of a part's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartPlace {
    /// In the upload's main file.
    Appended {
        /// Offset at which the part begins, in bytes.
        start: u64,
        /// The unfinished SHA-256 of all bytes up to the part's end.
        hash_state: Vec<u8>,
    },
    /// In a file of its own.
    OwnFile {
        /// The file's name in the upload's directory.
        name: String,
    },
}

/// Count and size of an upload's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartTotals {
    /// Number of parts.
    pub parts: u32,
    /// Bytes in all parts.
    pub size_bytes: u64,
    /// Number of parts in the upload's main file.
    pub appended: u32,
    /// The highest part number in the main file; 0 when it has no parts.
    pub last_appended: u32,
}

/// Returns an upload, open or finished.
///
/// # Errors
/// When the database fails or is damaged.
pub fn upload(read: &Read<'_>, id: &UploadKey) -> Result<Option<UploadRow>, StorageError> {
    let sql = "SELECT account, touched_us, digest FROM upload WHERE id = ?1";
    read.first(sql, [id], |row| {
        let digest = row.get::<_, Option<[u8; 32]>>(2)?.map(Digest::from_bytes);
        Ok(UploadRow { account: row.parse(0, Did::parse)?, touched_us: row.number(1)?, digest })
    })
}

/// Numbers of open uploads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenUploads {
    /// Those of one account.
    pub own: u64,
    /// Those of all accounts.
    pub all: u64,
}

/// Returns the number of open uploads of `account` and of all accounts.
///
/// # Errors
/// When the database fails.
pub fn open_uploads(read: &Read<'_>, account: &Did) -> Result<OpenUploads, StorageError> {
    let sql = "SELECT count(*) FILTER (WHERE account = ?1), count(*) FROM upload WHERE digest IS NULL";
    let counts =
        read.first(sql, [account.as_str()], |row| Ok(OpenUploads { own: row.number(0)?, all: row.number(1)? }));
    Ok(counts?.unwrap_or_default())
}

/// Returns the number of open uploads.
///
/// # Errors
/// When the database fails.
pub fn open_uploads_total(read: &Read<'_>) -> Result<u64, StorageError> {
    Ok(read.first("SELECT count(*) FROM upload WHERE digest IS NULL", [], |row| row.number(0))?.unwrap_or(0))
}

/// Returns the open uploads that were not used since `before_us`.
///
/// # Errors
/// When the database fails.
pub fn stale_uploads(read: &Read<'_>, before_us: u64) -> Result<Vec<UploadKey>, StorageError> {
    let sql = "SELECT id FROM upload WHERE touched_us < ?1 AND digest IS NULL";
    read.all(sql, [before_us.cast_signed()], |row| row.get(0))
}

/// Sets the last use of uploads that were used after `latest_us` to `now_us`.
///
/// # Errors
/// When the database fails.
pub fn bring_back(write: &Write<'_>, now_us: u64, latest_us: u64) -> Result<(), StorageError> {
    let sql = "UPDATE upload SET touched_us = ?1 WHERE touched_us > ?2";
    write.execute(sql, (now_us.cast_signed(), latest_us.cast_signed())).map(drop)
}

/// Returns the open uploads without any part that were not used since `before_us`. Uploads that a bucket knows are left
/// out.
///
/// # Errors
/// When the database fails.
pub fn empty_uploads(read: &Read<'_>, before_us: u64) -> Result<Vec<UploadKey>, StorageError> {
    let sql = "SELECT id FROM upload WHERE touched_us < ?1 AND digest IS NULL
               AND NOT EXISTS (SELECT 1 FROM upload_part WHERE upload = id)
               AND NOT EXISTS (SELECT 1 FROM bucket_upload WHERE upload = id)";
    read.all(sql, [before_us.cast_signed()], |row| row.get(0))
}

/// Returns the accounts that have open uploads.
///
/// # Errors
/// When the database fails or is damaged.
pub fn uploading_accounts(read: &Read<'_>) -> Result<Vec<Did>, StorageError> {
    read.all("SELECT DISTINCT account FROM upload WHERE digest IS NULL", [], |row| row.parse(0, Did::parse))
}

/// Returns the open uploads of `account`.
///
/// # Errors
/// When the database fails.
pub fn open_uploads_of(read: &Read<'_>, account: &Did) -> Result<Vec<UploadKey>, StorageError> {
    read.all("SELECT id FROM upload WHERE account = ?1 AND digest IS NULL", [account.as_str()], |row| row.get(0))
}

/// Returns all open uploads with the count and size of their parts, longest unused first.
///
/// # Errors
/// When the database fails or is damaged.
pub fn open_upload_list(read: &Read<'_>) -> Result<Vec<OpenUploadRow>, StorageError> {
    let sql = "SELECT id, account, touched_us,
                      (SELECT count(*) FROM upload_part WHERE upload = id)
                      + (SELECT count(*) FROM bucket_part WHERE upload = id AND etag <> ''),
                      (SELECT coalesce(sum(size_bytes), 0) FROM upload_part WHERE upload = id)
                      + (SELECT coalesce(sum(size_bytes), 0) FROM bucket_part WHERE upload = id)
               FROM upload WHERE digest IS NULL";
    let mut uploads = read.all(sql, [], |row| {
        Ok(OpenUploadRow {
            id: row.get(0)?,
            account: row.parse(1, Did::parse)?,
            touched_us: row.number(2)?,
            parts: row.get(3)?,
            size_bytes: row.number(4)?,
        })
    })?;
    uploads.sort_unstable_by_key(|upload| (upload.touched_us, upload.id));
    Ok(uploads)
}

/// Returns all parts of an upload in the order of their numbers.
///
/// # Errors
/// When the database fails.
pub fn parts(read: &Read<'_>, id: &UploadKey) -> Result<Vec<PartRow>, StorageError> {
    read.all(&format!("{PART} ORDER BY number"), [id], part_row)
}

/// Returns one part of an upload.
///
/// # Errors
/// When the database fails.
pub fn part(read: &Read<'_>, id: &UploadKey, number: u32) -> Result<Option<PartRow>, StorageError> {
    read.first(&format!("{PART} AND number = ?2"), (id, number), part_row)
}

/// Returns the count and size of an upload's parts.
///
/// # Errors
/// When the database fails.
pub fn part_totals(read: &Read<'_>, id: &UploadKey) -> Result<PartTotals, StorageError> {
    let sql = "SELECT coalesce(sum(size_bytes), 0), count(start_offset),
                      coalesce(max(number) FILTER (WHERE start_offset IS NOT NULL), 0), count(*)
               FROM upload_part WHERE upload = ?1";
    let totals = read.first(sql, [id], |row| {
        Ok(PartTotals {
            size_bytes: row.number(0)?,
            appended: row.get(1)?,
            last_appended: row.get(2)?,
            parts: row.get(3)?,
        })
    })?;
    Ok(totals.unwrap_or_default())
}

/// Adds an upload.
///
/// # Errors
/// When the database fails, or the id is taken.
pub fn begin_upload(write: &Write<'_>, id: &UploadKey, account: &Did, now_us: u64) -> Result<(), StorageError> {
    let sql = "INSERT INTO upload (id, account, touched_us) VALUES (?1, ?2, ?3)";
    write.execute(sql, (id, account.as_str(), now_us.cast_signed()))?;
    Ok(())
}

/// Records a part; replaces an earlier one of the same number.
///
/// # Errors
/// When the database fails.
pub fn put_part(write: &Write<'_>, id: &UploadKey, part: &PartRow, now_us: u64) -> Result<(), StorageError> {
    let (start, state, file) = match &part.place {
        PartPlace::Appended { start, hash_state } => (Some(start.cast_signed()), Some(hash_state), None),
        PartPlace::OwnFile { name } => (None, None, Some(name)),
    };
    let sql = "INSERT INTO upload_part (upload, number, size_bytes, etag, start_offset, hash_state, file)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT (upload, number) DO UPDATE
               SET size_bytes = ?3, etag = ?4, start_offset = ?5, hash_state = ?6, file = ?7";
    write.execute(sql, (id, part.number, part.size_bytes.cast_signed(), &part.etag, start, state, file))?;
    touch_upload(write, id, now_us)
}

/// Records a use of an upload at `now_us`.
///
/// # Errors
/// When the database fails.
pub fn touch_upload(write: &Write<'_>, id: &UploadKey, now_us: u64) -> Result<(), StorageError> {
    write.execute("UPDATE upload SET touched_us = max(touched_us, ?2) WHERE id = ?1", (id, now_us.cast_signed()))?;
    Ok(())
}

/// Records the digest of a finished upload, and deletes its parts.
///
/// # Errors
/// When the database fails.
pub fn finish_upload(write: &Write<'_>, id: &UploadKey, digest: &Digest, now_us: u64) -> Result<(), StorageError> {
    let sql = "UPDATE upload SET digest = ?2, touched_us = ?3 WHERE id = ?1";
    write.execute(sql, (id, digest.as_bytes(), now_us.cast_signed()))?;
    write.execute("DELETE FROM upload_part WHERE upload = ?1", [id])?;
    write.execute("DELETE FROM bucket_part WHERE upload = ?1", [id])?;
    write.execute("DELETE FROM bucket_upload WHERE upload = ?1", [id])?;
    Ok(())
}

/// Deletes an upload and its parts.
///
/// # Errors
/// When the database fails.
pub fn delete_upload(write: &Write<'_>, id: &UploadKey) -> Result<(), StorageError> {
    write.execute("DELETE FROM upload WHERE id = ?1", [id])?;
    Ok(())
}

/// Deletes finished uploads that were not used since `before_us`. Returns how many.
///
/// # Errors
/// When the database fails.
pub fn delete_finished_uploads(write: &Write<'_>, before_us: u64) -> Result<usize, StorageError> {
    let sql = "DELETE FROM upload WHERE touched_us < ?1 AND digest IS NOT NULL";
    write.execute(sql, [before_us.cast_signed()])
}

const PART: &str = "SELECT number, size_bytes, etag, start_offset, hash_state, file FROM upload_part WHERE upload = ?1";

fn part_row(row: &Row<'_>) -> rusqlite::Result<PartRow> {
    let place = match row.number_or_null(3)? {
        Some(start) => PartPlace::Appended { start, hash_state: row.get(4)? },
        None => PartPlace::OwnFile { name: row.get(5)? },
    };
    Ok(PartRow { number: row.get(0)?, size_bytes: row.number(1)?, etag: row.get(2)?, place })
}
