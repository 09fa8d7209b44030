//! Completing an upload: the parts become a blob, or nothing is visible and the upload stays as it was.
//!
//! Every step can be repeated after the process ended at any point: the bytes are proven and on disk before the
//! rename, the rename is on disk before the row, and the row makes the blob visible and the upload finished at once.

use std::sync::Arc;

use super::Files;
use super::parts;
use super::prove::Proof;
use super::pump::Failed;
use crate::blobs::live::Live;
use crate::blobs::names::{PartNumber, UploadId, blob_key};
use crate::blobs::sessions::is_finished;
use crate::blobs::tables;
use crate::blobs::tables::{PartRow, PartTotals, UploadRow};
use crate::blobs::{BlobError, blocking};
use atproto::syntax::{Did, Digest};

impl Files {
    /// As [`Blobs::complete`](crate::blobs::Blobs::complete). Call it with `live.order` held.
    pub(in crate::blobs) async fn complete(
        &self,
        live: &Arc<Live>,
        id: &UploadId,
        account: &Did,
        digest: Digest,
        listed: Vec<(PartNumber, String)>,
        now_us: u64,
    ) -> Result<(), BlobError> {
        let (upload, recorded, totals) = self.recorded(id).await?;
        if is_finished(upload.as_ref(), account, &digest)? {
            return Ok(());
        }
        let chosen = parts::choose(&recorded, listed)?;
        let total_bytes = chosen.iter().map(|part| part.size_bytes).sum::<u64>();
        live.close().await?;
        let size_bytes = match self.stat(&digest).await? {
            Some(size_bytes) => size_bytes,
            None => {
                self.prove(id, live, digest, chosen, totals).await?;
                total_bytes
            }
        };
        self.sessions.finish(id, digest, size_bytes, now_us).await?;
        self.remove_staged(id.to_string()).await;
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

    /// Gives the digest its file.
    async fn prove(
        &self,
        id: &UploadId,
        live: &Arc<Live>,
        digest: Digest,
        chosen: Vec<PartRow>,
        totals: PartTotals,
    ) -> Result<(), BlobError> {
        let published_bytes = self.objects.size(&blob_key(&digest)).await?;
        let (staging, id, reserve_bytes) = (self.staging.clone(), *id, self.sessions.limits().reserve_bytes);
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
