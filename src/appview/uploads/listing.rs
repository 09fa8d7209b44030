//! Lists of uploads, and aborting uploads without their client.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::timeout;

use super::{OpenUpload, UploadId, Uploads, UploadsError};
use crate::uploads::tables::{self, UploadSummary, UploadTotals};
use atproto::syntax::Did;
use server::storage::StorageError;

/// Concurrent aborts of one account's uploads, and the time limit for all of them.
const AT_ONCE: usize = 8;
const ABANDON_FOR: Duration = Duration::from_secs(10);

impl Uploads {
    /// Returns the open uploads, the longest idle first, 1,000 at most.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self) -> Result<Vec<UploadSummary>, StorageError> {
        self.database.read(tables::list).await
    }

    /// Returns the number of open uploads and their bytes.
    ///
    /// # Errors
    /// As [`Uploads::list`].
    pub async fn totals(&self) -> Result<UploadTotals, StorageError> {
        self.database.read(tables::totals).await
    }

    /// Returns the number of open uploads of each account.
    ///
    /// # Errors
    /// As [`Uploads::list`].
    pub async fn by_account(&self) -> Result<Vec<(Did, u64)>, StorageError> {
        self.database.read(tables::by_account).await
    }

    /// Returns the open uploads of an account.
    ///
    /// # Errors
    /// As [`Uploads::list`].
    pub async fn of_account(&self, account: &Did) -> Result<Vec<UploadSummary>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::of_account(read, &account)).await
    }

    /// Aborts all uploads of an account, also at their holds, as far as those answer in time. An upload whose client is
    /// sending ends with that request.
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

    /// Aborts an upload of any account. Returns the account.
    ///
    /// # Errors
    /// [`UploadsError::Unknown`] when there is no such upload.
    pub async fn abandon(&self, id: UploadId) -> Result<Did, UploadsError> {
        let upload: OpenUpload = self.open_upload(id).await?;
        let account = upload.row.at_hold.login.account.clone();
        self.discard(upload).await?;
        Ok(account)
    }
}
