//! Completing an upload: the parts become a blob, or nothing is visible and the upload stays as it was.
//!
//! Every step can be repeated after the process ended at any point: the bytes are proven and on disk before the
//! rename, the rename is on disk before the row, and the row makes the blob visible and the upload finished at once.

use std::sync::Arc;

use crate::storage::sqlite::{PartRow, PartTotals, UploadRow};
use crate::syntax::{Did, Digest};

use super::names::{PartNumber, UploadId};
use super::prove::Proof;
use super::pump::Failed;
use super::{BlobError, Blobs, blocking, detached, parts};

impl Blobs {
    /// Makes the blob `digest` of the parts that the client lists with the ETags it was given, quoted or bare. No
    /// parts make the empty blob. Repeated with the same digest after it succeeded, it succeeds again.
    ///
    /// # Errors
    /// [`BlobError::MissingParts`], [`BlobError::DigestMismatch`]: the upload stays open with all its parts.
    /// [`BlobError::UnknownUpload`], or a storage error.
    pub async fn complete(
        &self,
        id: &UploadId,
        account: &Did,
        digest: Digest,
        parts: Vec<(PartNumber, String)>,
        now_us: u64,
    ) -> Result<(), BlobError> {
        let (blobs, id, account) = (self.clone(), *id, account.clone());
        detached(async move { blobs.complete_in_order(&id, &account, digest, parts, now_us).await }).await
    }

    async fn complete_in_order(
        &self,
        id: &UploadId,
        account: &Did,
        digest: Digest,
        listed: Vec<(PartNumber, String)>,
        now_us: u64,
    ) -> Result<(), BlobError> {
        let live = self.uploads.get(id);
        let _order = live.order.lock().await;
        let (upload, recorded, totals) = self.recorded(id).await?;
        match upload {
            Some(upload) if upload.account != *account => return Err(BlobError::UnknownUpload),
            Some(UploadRow { digest: None, .. }) => {}
            Some(UploadRow { digest: Some(finished), .. }) if finished == digest => return Ok(()),
            _ => return Err(BlobError::UnknownUpload),
        }
        let chosen = parts::choose(&recorded, listed)?;
        let total_bytes = chosen.iter().map(|part| part.size_bytes).sum::<u64>();
        live.close().await?;
        let size_bytes = match self.stat(&digest).await? {
            Some(size_bytes) => size_bytes,
            None => {
                self.prove(id, &live, digest, chosen, totals).await?;
                total_bytes
            }
        };
        let key = *id.key();
        self.db
            .write(move |write| {
                write.put_blob(&digest, size_bytes, now_us)?;
                Ok::<_, BlobError>(write.finish_upload(&key, &digest, now_us)?)
            })
            .await?;
        self.remove_staged(id.to_string()).await;
        Ok(())
    }

    async fn recorded(&self, id: &UploadId) -> Result<(Option<UploadRow>, Vec<PartRow>, PartTotals), BlobError> {
        let key = *id.key();
        self.db.read(move |read| Ok((read.upload(&key)?, read.parts(&key)?, read.part_totals(&key)?))).await
    }

    /// Gives the digest its file.
    async fn prove(
        &self,
        id: &UploadId,
        live: &Arc<super::live::Live>,
        digest: Digest,
        chosen: Vec<PartRow>,
        totals: PartTotals,
    ) -> Result<(), BlobError> {
        let published_bytes = self.objects.size(&super::names::blob_key(&digest)).await?;
        let (staging, id, reserve_bytes) = (self.staging.clone(), *id, self.limits().reserve_bytes);
        let proof = Proof { staging, id, digest, chosen, totals, published_bytes, reserve_bytes };
        match blocking(move || proof.publish()).await {
            Ok(()) => Ok(()),
            Err(Failed::Part(error)) => Err(error),
            Err(Failed::Unsynced(error)) => {
                if let Err(error) = self.drop_open(live, &id).await {
                    tracing::error!(%error, upload = %id, "an upload whose data is unknown could not be dropped");
                }
                Err(error.into())
            }
        }
    }
}
