//! Completing an upload into a bucket. Every step can be repeated after the process ended at any point: the parts are
//! assembled once and recorded, the digest is computed once and recorded, a copy gives the same result each time, and
//! one transaction makes the blob visible and the upload finished.

use crate::blobs::tables;
use crate::blobs::tables::{BucketPartRow, BucketUploadRow, StagedRow};
use crate::objects::{Completed, Copied, CopySource};
use atproto::syntax::{Did, Digest};
use server::storage::{Hash, StorageError};

use super::Bucket;
use crate::blobs::digest_lock::DigestGuard;
use crate::blobs::names::{PartNumber, blob_key, in_sequence, staged_key};
use crate::blobs::sessions::is_finished;
use crate::blobs::upload_state::UploadGuard;
use crate::blobs::{BlobError, REMOVAL_SETTLED_US};

impl Bucket {
    /// Completes an upload, as [`Blobs::complete`](crate::blobs::Blobs::complete).
    pub(in crate::blobs) async fn complete(
        &self,
        upload: &UploadGuard,
        digest: &DigestGuard,
        account: &Did,
        listed: Vec<(PartNumber, String)>,
        now_us: u64,
    ) -> Result<(), BlobError> {
        self.known.remove(upload.id());
        let (key, name) = (*upload.id().key(), *digest.digest());
        let find = self.sessions.db.read(move |read| {
            let rows =
                (tables::upload(read, &key)?, tables::bucket_upload(read, &key)?, tables::bucket_parts(read, &key)?);
            Ok::<_, BlobError>((rows, tables::pending_deletion_us(read, &name)?))
        });
        let ((row, bucket, seen), pending_deletion_us) = find.await?;
        if is_finished(row.as_ref(), account, &name)? {
            return Ok(());
        }
        if pending_deletion_us.is_some_and(|removed_us| now_us < removed_us.saturating_add(REMOVAL_SETTLED_US)) {
            let what = "the store was asked to remove this blob and has not answered: it might do so yet";
            return Err(BlobError::Unavailable(StorageError::failed(what)));
        }
        let listed = in_sequence(listed)?;
        self.sessions.check_quota(account).await?;
        let multipart = bucket.as_ref().map(|bucket| bucket.multipart.clone());
        let size_bytes = match self.sessions.stored_size(&self.objects, &name).await? {
            Some(size_bytes) => size_bytes,
            None if !listed.iter().any(|part| has_bytes(part, &seen)) => self.put_empty(digest).await?,
            None => {
                let bucket = bucket.ok_or(BlobError::MissingParts)?;
                let made = self.make(upload, digest, account, bucket, &seen, listed).await;
                if matches!(made, Err(BlobError::StagedLost)) {
                    self.end_lost(upload).await?;
                }
                made?
            }
        };
        self.sessions.finish(upload, digest, size_bytes, now_us).await?;
        self.clear(upload, multipart.as_deref()).await;
        Ok(())
    }

    async fn put_empty(&self, digest: &DigestGuard) -> Result<u64, BlobError> {
        if Hash::default().digest() != *digest.digest() {
            return Err(BlobError::DigestMismatch);
        }
        self.store.put(&blob_key(digest.digest()), b"".as_slice()).await?;
        Ok(0)
    }

    /// Makes the blob's object of the parts. Returns its size in bytes.
    async fn make(
        &self,
        upload: &UploadGuard,
        digest: &DigestGuard,
        account: &Did,
        bucket: BucketUploadRow,
        seen: &[BucketPartRow],
        listed: Vec<(PartNumber, String)>,
    ) -> Result<u64, BlobError> {
        let staged = self.assemble(upload, bucket, seen, listed, digest.digest()).await?;
        // Only now the size of parts that bypassed the hold is known.
        self.sessions.check_quota(account).await?;
        self.publish(upload, digest, staged).await
    }

    /// Assembles the parts to one staged object, unless that was done before.
    async fn assemble(
        &self,
        upload: &UploadGuard,
        bucket: BucketUploadRow,
        seen: &[BucketPartRow],
        listed: Vec<(PartNumber, String)>,
        digest: &Digest,
    ) -> Result<StagedRow, BlobError> {
        if let Some(staged) = bucket.staged {
            return Ok(staged);
        }
        // Where no part bypasses the hold its rows are complete, and such a store may keep parts that were replaced.
        if !self.store.signs_parts() && !listed.iter().all(|part| recorded(part, seen).is_some()) {
            return Err(BlobError::MissingParts);
        }
        let hashed = if bucket.bypassed_hold { None } else { hashed_by_hold(seen, &listed)? };
        if hashed.is_some_and(|(found, _)| found != *digest) {
            // Refused before assembly, while the store still takes parts in place of the wrong ones.
            return Err(BlobError::DigestMismatch);
        }
        let stored = listed.into_iter().filter(|part| has_bytes(part, seen));
        let parts: Vec<_> = stored.map(|(number, etag)| (number.to_u16(), etag)).collect();
        let info = match self.store.complete_multipart(&staged_key(upload.id()), &bucket.multipart, &parts).await? {
            Completed::Object(info) => info,
            Completed::WrongParts { code } => {
                tracing::warn!(upload = %upload.id(), code, "the store does not take the parts of an upload");
                return Err(BlobError::PartsRefused { code });
            }
            Completed::Unknown => return Err(BlobError::StagedLost),
        };
        let digest = hashed.filter(|(_, size_bytes)| *size_bytes == info.size_bytes).map(|(digest, _)| digest);
        let staged = StagedRow { size_bytes: info.size_bytes, etag: info.etag, digest };
        self.put_staged(upload, &staged).await?;
        Ok(staged)
    }

    pub(super) async fn put_staged(&self, upload: &UploadGuard, staged: &StagedRow) -> Result<(), BlobError> {
        let (key, staged) = (*upload.id().key(), staged.clone());
        Ok(self.sessions.db.write(move |write| tables::put_staged(write, &key, &staged)).await?)
    }

    /// Copies the staged object to the blob's key if it has the digest. Returns its size in bytes.
    async fn publish(&self, upload: &UploadGuard, digest: &DigestGuard, staged: StagedRow) -> Result<u64, BlobError> {
        let limit_bytes = self.sessions.limits().max_blob_bytes;
        if staged.size_bytes > limit_bytes {
            return Err(BlobError::BlobTooLarge { limit_bytes });
        }
        let size_bytes = staged.size_bytes;
        let name = *digest.digest();
        let verified = self.verify_digest(upload, staged).await?;
        if verified.digest != name {
            return Err(BlobError::DigestMismatch);
        }
        // The row of an earlier upload, whose object is gone, must not make visible what a failed copy leaves behind.
        self.sessions.db.write(move |write| tables::delete_blob(write, &name)).await?;
        let source = CopySource { key: &staged_key(upload.id()), etag: &verified.etag, size_bytes };
        match self.store.copy_pinned(source, &blob_key(&name)).await? {
            Copied::Done => Ok(size_bytes),
            Copied::SourceChanged => Err(BlobError::StagedLost),
        }
    }
}

/// Returns the row of the listed part, if it is the last one that the hold received under its number.
fn recorded<'s>((number, etag): &(PartNumber, String), seen: &'s [BucketPartRow]) -> Option<&'s BucketPartRow> {
    let found = seen.binary_search_by_key(&number.get(), |part| part.number).ok().map(|index| &seen[index]);
    found.filter(|part| part.etag == *etag)
}

/// Whether the store may have the listed part: a part without bytes is never sent there.
fn has_bytes(listed: &(PartNumber, String), seen: &[BucketPartRow]) -> bool {
    recorded(listed, seen).is_none_or(|part| part.size_bytes > 0)
}

/// Returns the digest and the size in bytes of the listed parts, if all of them went through the hold and were hashed
/// in order. The store accepts a list only with the ETags of the parts it has, so these are their bytes.
fn hashed_by_hold(seen: &[BucketPartRow], listed: &[(PartNumber, String)]) -> Result<Option<(Digest, u64)>, BlobError> {
    let mut size_bytes = 0;
    let mut last = None;
    for ((number, etag), part) in listed.iter().zip(seen) {
        if part.number != number.get() || part.etag != *etag {
            return Ok(None);
        }
        size_bytes += part.size_bytes;
        last = Some(part);
    }
    let whole = last.filter(|part| part.number as usize == listed.len());
    let Some(state) = whole.and_then(|part| part.hash_state.as_ref()) else { return Ok(None) };
    Ok(Some((Hash::restore(state)?.digest(), size_bytes)))
}
