//! Verification of a digest: the staged object is read back once and hashed. No checksum of S3 proves the SHA-256 of an
//! object that was uploaded in parts, and some stores keep wrong bytes in spite of a checksum.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use tokio::time::Instant;

use crate::blobs::tables::StagedRow;
use crate::objects::ObjectInfo;
use atproto::syntax::{Digest, micros};
use server::storage::{Hash, StorageError};

use super::Bucket;
use crate::blobs::BlobError;
use crate::blobs::names::{UploadId, bare, staged_key};
use crate::blobs::upload_state::UploadGuard;

/// Least size of an object whose verification logs its progress.
const PROGRESS_FROM_BYTES: u64 = 1 << 30;
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// A staged object with the digest of its bytes.
pub(super) struct VerifiedObject {
    pub(super) digest: Digest,
    pub(super) etag: String,
}

impl Bucket {
    /// Returns the digest of the staged object, and records it so that a repeated attempt need not read the object
    /// again.
    pub(super) async fn verify_digest(
        &self,
        upload: &UploadGuard,
        mut staged: StagedRow,
    ) -> Result<VerifiedObject, BlobError> {
        let digest = match staged.digest {
            Some(digest) => digest,
            None => {
                let digest = self.read_back(upload.id(), &staged).await?;
                staged.digest = Some(digest);
                self.put_staged(upload, &staged).await?;
                digest
            }
        };
        Ok(VerifiedObject { digest, etag: staged.etag })
    }

    async fn read_back(&self, id: &UploadId, staged: &StagedRow) -> Result<Digest, BlobError> {
        let size_bytes = staged.size_bytes;
        let info = ObjectInfo { size_bytes, etag: staged.etag.clone() };
        let mut bytes = self.store.pinned_object(&staged_key(id), info).stream(0..size_bytes);
        let (mut hash, mut done_bytes, mut told) = (Hash::default(), 0, Instant::now());
        let (counts, begun) = (&self.sessions.counts, Instant::now());
        loop {
            let chunk = match bytes.try_next().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => return Err(self.unread(id, staged, error.into()).await),
            };
            hash.update(&chunk);
            done_bytes += chunk.len() as u64;
            counts.proof_bytes.add(chunk.len() as u64);
            if size_bytes >= PROGRESS_FROM_BYTES && told.elapsed() >= PROGRESS_EVERY {
                told = Instant::now();
                tracing::info!(upload = %id, done_bytes, size_bytes, "verifying the digest of an upload");
            }
        }
        counts.proofs.inc();
        counts.proof_us.add(micros(begun.elapsed()));
        Ok(hash.digest())
    }

    /// Returns the error for a staged object that could not be read: it may not be there any more.
    async fn unread(&self, id: &UploadId, staged: &StagedRow, error: StorageError) -> BlobError {
        let is_it = |found: ObjectInfo| bare(&found.etag) == bare(&staged.etag);
        match self.store.stat(&staged_key(id)).await.map(|found| found.is_some_and(is_it)) {
            Ok(false) => BlobError::StagedLost,
            _ => error.into(),
        }
    }
}
