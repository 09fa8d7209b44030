//! Measuring of uploads whose parts bypass the hold: only the store knows their sizes, so it is asked at intervals.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use super::counts::PassedLimit;
use super::names::{UploadId, staged_key};
use super::{BlobError, Blobs, Store};
use crate::blobs::tables;
use crate::blobs::tables::BypassedUploadRow;
use crate::objects::StoredPart;
use atproto::syntax::Did;
use server::sqlite::{Read, Write};

/// Uploads measured at once.
const QUESTIONS_AT_ONCE: usize = 8;

impl Blobs {
    /// Asks the store for the sizes of the parts that bypassed the hold, of each open upload, and aborts uploads beyond
    /// a limit. The sizes count in the quotas from then on. Returns how many uploads were aborted.
    ///
    /// # Errors
    /// When the database fails. A store that fails is asked again the next time.
    pub async fn measure_uploads(&self) -> Result<usize, BlobError> {
        let Store::Bucket(bucket) = &self.store else { return Ok(0) };
        // Also if parts go through the hold now: an upload may have begun before, and its URLs may still be valid.
        if !bucket.store().signs_parts() {
            return Ok(0);
        }
        let open = self.sessions.db.read(tables::bypassed_uploads).await?;
        let asked = stream::iter(open).map(|upload| async move {
            let parts = bucket.stored_parts(&upload).await;
            (upload, parts)
        });
        let mut asked = std::pin::pin!(asked.buffer_unordered(QUESTIONS_AT_ONCE));
        let mut aborted = 0;
        while let Some((upload, parts)) = asked.next().await {
            let id = UploadId::from_key(upload.id);
            match parts {
                Ok(parts) => aborted += usize::from(self.measured(&id, &upload.account, parts).await?),
                Err(error) => tracing::warn!(%error, upload = %id, "what the store has of an upload is not known"),
            }
        }
        Ok(aborted)
    }

    /// Records the sizes that the store reported, `None` when the parts are assembled already. Aborts the upload if
    /// they are beyond a limit, and returns whether it did.
    async fn measured(&self, id: &UploadId, account: &Did, parts: Option<Vec<StoredPart>>) -> Result<bool, BlobError> {
        let limits = self.sessions.limits();
        let sizes = || parts.iter().flatten().map(|part| part.size_bytes);
        let (all_bytes, largest_bytes) = (sizes().sum::<u64>(), sizes().max().unwrap_or(0));
        if parts.is_some() {
            let key = *id.key();
            let put = move |write: &Write<'_>| tables::put_measured(write, &key, all_bytes);
            self.sessions.db.write(put).await?;
        }
        let passed = if largest_bytes > limits.max_part_bytes {
            PassedLimit::Part
        } else if all_bytes > limits.max_blob_bytes {
            PassedLimit::Blob
        } else if self.is_over_quota(id, account).await? {
            PassedLimit::Quota
        } else {
            return Ok(false);
        };
        let aborted = self.drop_unless_busy(id, |_| true).await?;
        if aborted {
            tracing::warn!(%account, upload = %id, bytes = all_bytes, "upload aborted: {}", passed.reason());
            self.sessions.counts.passed_limit.inc(passed);
        }
        Ok(aborted)
    }

    /// Whether the account has more than its quota, after its idle uploads were dropped.
    async fn is_over_quota(&self, id: &UploadId, account: &Did) -> Result<bool, BlobError> {
        self.drop_idle_uploads(account, Some(*id), 0).await?;
        let (quotas, account) = (Arc::clone(&self.sessions.quotas), account.clone());
        let check = move |read: &Read<'_>| quotas.check(read, &account);
        match self.sessions.db.read(check).await {
            Ok(()) => Ok(false),
            Err(BlobError::QuotaExceeded { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

impl super::bucket::Bucket {
    /// Returns the parts that the store has of an upload; `None` when they are assembled, or the store knows no such
    /// upload.
    async fn stored_parts(&self, upload: &BypassedUploadRow) -> Result<Option<Vec<StoredPart>>, BlobError> {
        if upload.is_staged {
            return Ok(None);
        }
        let key = staged_key(&UploadId::from_key(upload.id));
        Ok(self.store().list_parts(&key, &upload.multipart).await?)
    }
}
