//! The list of open uploads, for the operator.

use super::names::UploadId;
use super::{BlobError, Blobs};
use crate::blobs::tables;
use atproto::syntax::Did;

/// An open upload, for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenUpload {
    /// The upload's id.
    pub id: UploadId,
    /// The account that began the upload.
    pub account: Did,
    /// Time of the last use: begin, a received part, or a URL for a part; in microseconds since 1970.
    pub touched_us: u64,
    /// Number of received parts; parts that bypassed the hold are not counted.
    pub parts: u32,
    /// Bytes in those parts.
    pub size_bytes: u64,
}

impl Blobs {
    /// Returns all open uploads, longest unused first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_open_uploads(&self) -> Result<Vec<OpenUpload>, BlobError> {
        let rows = self.sessions.db.read(tables::open_upload_list).await?;
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
