//! The uploads as an operator sees them.

use super::{OpenUpload, UploadId, Uploads, UploadsError};
use crate::uploads::tables;
use atproto::syntax::{Did, ServiceUrl};
use server::storage::StorageError;

/// An upload that is under way.
#[derive(Clone, Debug)]
pub struct UploadSummary {
    /// Its name.
    pub id: UploadId,
    /// Whose it is.
    pub account: Did,
    /// Where it was begun, without the owner.
    pub repository: String,
    /// Where its bytes go.
    pub hold: ServiceUrl,
    /// Bytes that are there.
    pub offset: u64,
    /// Bytes that the hold has, of these.
    pub sent: u64,
    /// When it last grew, microseconds since 1970.
    pub touched_us: u64,
}

/// All open uploads together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UploadTotals {
    /// How many there are.
    pub open: u64,
    /// Bytes in them.
    pub bytes: u64,
}

impl Uploads {
    /// Returns the open uploads, the one that is idle for longest first, 1,000 at most.
    ///
    /// # Errors
    /// When the database fails; so below.
    pub async fn list(&self) -> Result<Vec<UploadSummary>, StorageError> {
        self.database.read(tables::list).await
    }

    /// Returns how many there are, and how large.
    ///
    /// # Errors
    /// As [`Uploads::list`].
    pub async fn totals(&self) -> Result<UploadTotals, StorageError> {
        self.database.read(tables::totals).await
    }

    /// Gives an upload up, whosever it is. Returns whose it was.
    ///
    /// # Errors
    /// [`UploadsError::Unknown`] when there is none.
    pub async fn abandon(&self, id: UploadId) -> Result<Did, UploadsError> {
        let upload: OpenUpload = self.open_upload(id).await?;
        let account = upload.row.login.account.clone();
        self.discard(upload).await?;
        Ok(account)
    }
}
