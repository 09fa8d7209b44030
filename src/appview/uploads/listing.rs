//! The uploads as an operator sees them.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::timeout;

use super::{OpenUpload, UploadId, Uploads, UploadsError};
use crate::uploads::tables;
use atproto::syntax::{Did, ServiceUrl};
use server::storage::StorageError;

/// Uploads of one account that holds are asked to give up at once, and how long they have for all.
const AT_ONCE: usize = 8;
const ABANDON_FOR: Duration = Duration::from_secs(10);

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

    /// Returns the open uploads of an account.
    ///
    /// # Errors
    /// As [`Uploads::list`].
    pub async fn of_account(&self, account: &Did) -> Result<Vec<UploadSummary>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::of_account(read, &account)).await
    }

    /// Gives all uploads of an account up, at their holds, too, as far as those answer in time. One whose client is sending ends
    /// with that request.
    ///
    /// # Errors
    /// As [`Uploads::list`].
    pub async fn abandon_all(&self, account: &Did) -> Result<(), StorageError> {
        let uploads = self.of_account(account).await?;
        let abandon = stream::iter(uploads).map(|upload| self.abandon(upload.id)).buffer_unordered(AT_ONCE);
        let _in_time = timeout(ABANDON_FOR, abandon.for_each(async |_| ())).await;
        for upload in self.of_account(account).await? {
            self.database.write(move |write| tables::delete(write, &upload.id)).await?;
            if let Err(error) = self.remove_tail(&upload.id).await {
                tracing::warn!(%error, "the file of an upload that was given up stays");
            }
        }
        Ok(())
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
