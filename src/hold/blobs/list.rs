//! The list of open uploads, for the operator.

use super::names::UploadId;
use super::{BlobError, Blobs};
use crate::blobs::tables;
use atproto::syntax::Did;

/// An upload that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenUpload {
    /// Its id.
    pub id: UploadId,
    /// The account that began it.
    pub account: Did,
    /// When it began or its last part was received, in microseconds since 1970.
    pub touched_us: u64,
    /// Parts received; those that went past the hold are not known.
    pub parts: u32,
    /// Bytes in them.
    pub size_bytes: u64,
}

impl Blobs {
    /// Returns all open uploads, the longest untouched first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_open_uploads(&self) -> Result<Vec<OpenUpload>, BlobError> {
        let rows = self.sessions.db.read(|read| tables::open_upload_list(read).map_err(BlobError::from)).await?;
        let named = rows.into_iter().map(|row| OpenUpload {
            id: UploadId::from_key(row.id),
            account: row.account,
            touched_us: row.touched_us,
            parts: row.parts,
            size_bytes: row.size_bytes,
        });
        Ok(named.collect())
    }
}
