//! Completing an upload: the parts become a blob, or nothing is visible and the upload stays as it was.
//!
//! Every step can be repeated after the process ended at any point: the digest is verified and the bytes are on disk
//! before the rename, the rename is on disk before the row, and one transaction makes the blob visible and the upload
//! finished.

use std::time::Duration;

use crate::blobs::tables;
use crate::blobs::tables::{PartRow, PartTotals, UploadRow};
use atproto::syntax::Did;
use server::bulkhead::BulkheadLimits;

use super::Files;
use super::failed::Failed;
use super::parts;
use super::verify_digest::DigestVerification;
use crate::blobs::digest_lock::DigestGuard;
use crate::blobs::names::{PartNumber, UploadId, blob_key};
use crate::blobs::sessions::is_finished;
use crate::blobs::upload_state::UploadGuard;
use crate::blobs::{BlobError, blocking};

/// Completions at once that read parts again, as long as disk and hash need for a whole blob: they may take a quarter of
/// the threads for files, and not all, and leave one slot to other accounts. Who waits for an hour goes without one.
pub(super) const ASSEMBLIES: BulkheadLimits = BulkheadLimits {
    slots: 4,
    slots_per_caller: 3,
    queue: usize::MAX,
    queue_per_caller: usize::MAX,
    max_wait: Duration::from_secs(3600),
};

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
                self.publish(upload, digest, account, chosen, totals).await?;
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
        account: &Did,
        chosen: Vec<PartRow>,
        totals: PartTotals,
    ) -> Result<(), BlobError> {
        let (id, digest) = (*upload.id(), *digest.digest());
        let published_bytes = self.objects.size(&blob_key(&digest)).await?;
        let (staging, reserve_bytes) = (self.staging.clone(), self.sessions.limits().reserve_bytes);
        let verification = DigestVerification { staging, id, digest, chosen, totals, published_bytes, reserve_bytes };
        let assembly = if verification.reads_parts() { self.assemblies.enter(account).await.ok() } else { None };
        let job = move || {
            let _assembly = assembly;
            verification.publish()
        };
        match blocking(job).await {
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{FutureExt as _, stream};
    use tempfile::TempDir;

    use super::super::opened;
    use super::*;
    use crate::blobs::{Blobs, PartRequest, Store};
    use server::storage::Hash;

    /// Uploads parts 1 and 2, in this order of their numbers.
    async fn uploaded(blobs: &Blobs, account: &Did, order: [u32; 2]) -> (UploadId, Vec<(PartNumber, String)>) {
        let upload = blobs.initiate(account, 1).await.unwrap();
        let mut parts = Vec::new();
        for number in order.map(|number| PartNumber::new(number).unwrap()) {
            let account = account.clone();
            let part = PartRequest { upload, account, number, announced_bytes: Some(2), now_us: 1 };
            let body = stream::iter([Ok(Bytes::from_static(b"xx"))]);
            parts.push((number, blobs.upload_part(part, body).await.unwrap().as_str().to_owned()));
        }
        parts.sort_unstable_by_key(|(number, _)| *number);
        (upload, parts)
    }

    #[tokio::test]
    async fn who_sent_parts_in_order_waits_for_no_assembly() {
        let root = TempDir::new().unwrap();
        let blobs = opened(root.path()).await;
        let Store::Files(files) = &blobs.store else { unreachable!() };
        let [account, bob, carol] =
            ["alice", "bob", "carol"].map(|name| Did::parse(&format!("did:plc:{name}")).unwrap());
        let mut hash = Hash::default();
        let nothing = hash.digest();
        hash.update(b"xxxx");

        let mut others = Vec::new();
        for other in [&bob, &bob, &bob, &carol] {
            others.push(files.assemblies.enter(other).await.unwrap());
        }
        let (out_of_order, parts) = uploaded(&blobs, &account, [2, 1]).await;
        let waiting = blobs.complete(&out_of_order, &account, nothing, parts, 1);
        let mut waiting = std::pin::pin!(waiting);
        assert!((&mut waiting).now_or_never().is_none());
        let (in_order, parts) = uploaded(&blobs, &account, [1, 2]).await;
        blobs.complete(&in_order, &account, hash.digest(), parts, 1).await.unwrap();
        assert!((&mut waiting).now_or_never().is_none(), "it has no slot");
        drop(others);
        assert!(matches!(waiting.await, Err(BlobError::DigestMismatch)));
    }
}
