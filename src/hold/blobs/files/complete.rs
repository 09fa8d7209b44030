//! Completing an upload: the parts become a blob, or nothing is visible and the upload stays as it was.
//!
//! Every step can be repeated after the process ended at any point: the digest is verified and the bytes are on disk
//! before the rename, the rename is on disk before the row, and one transaction makes the blob visible and the upload
//! finished.

use crate::blobs::tables;
use crate::blobs::tables::{PartRow, PartTotals, UploadRow};
use atproto::syntax::Did;

use super::Files;
use super::failed::Failed;
use super::parts;
use super::verify_digest::DigestVerification;
use crate::blobs::digest_lock::DigestGuard;
use crate::blobs::names::{PartNumber, UploadId, blob_key};
use crate::blobs::sessions::is_finished;
use crate::blobs::upload_state::UploadGuard;
use crate::blobs::{BlobError, blocking};

impl Files {
    /// Completes an upload, as [`Blobs::complete`](crate::blobs::Blobs::complete).
    pub(in crate::blobs) async fn complete(
        &self,
        upload: &UploadGuard,
        digest: &DigestGuard,
        account: &Did,
        listed: Vec<(PartNumber, String)>,
        now_us: u64,
    ) -> Result<(), BlobError> {
        let (row, recorded, totals) = self.recorded(upload.id()).await?;
        if is_finished(row.as_ref(), account, digest.digest())? {
            return Ok(());
        }
        let chosen = parts::choose(&recorded, listed)?;
        let total_bytes = chosen.iter().map(|part| part.size_bytes).sum::<u64>();
        self.sessions.check_quota(account).await?;
        upload.close().await?;
        let size_bytes = match self.stat(digest.digest()).await? {
            Some(size_bytes) => size_bytes,
            None => {
                self.publish(upload, digest, chosen, totals).await?;
                total_bytes
            }
        };
        self.sessions.finish(upload, digest, size_bytes, now_us).await?;
        self.remove_staged(upload.id().to_string()).await;
        Ok(())
    }

    async fn recorded(&self, id: &UploadId) -> Result<(Option<UploadRow>, Vec<PartRow>, PartTotals), BlobError> {
        let key = *id.key();
        self.sessions
            .db
            .read(move |read| {
                Ok((tables::upload(read, &key)?, tables::parts(read, &key)?, tables::part_totals(read, &key)?))
            })
            .await
    }

    /// Verifies the digest of the parts and publishes their file under it.
    async fn publish(
        &self,
        upload: &UploadGuard,
        digest: &DigestGuard,
        chosen: Vec<PartRow>,
        totals: PartTotals,
    ) -> Result<(), BlobError> {
        let (id, digest) = (*upload.id(), *digest.digest());
        let published_bytes = self.objects.size(&blob_key(&digest)).await?;
        let (staging, reserve_bytes) = (self.staging.clone(), self.sessions.limits().reserve_bytes);
        let verification = DigestVerification { staging, id, digest, chosen, totals, published_bytes, reserve_bytes };
        match blocking(move || verification.publish()).await {
            Ok(()) => Ok(()),
            Err(Failed::Part(error)) => Err(error),
            Err(Failed::Unsynced(error)) => {
                if let Err(error) = self.drop_open(upload).await {
                    tracing::error!(%error, upload = %id, "an upload whose data is unknown could not be dropped");
                }
                Err(error.into())
            }
        }
    }
}
