//! Uploads into a bucket: the store collects the parts, the hold signs URLs, verifies and records.
//!
//! A part goes to the store by a presigned URL, or through the hold. Completion assembles the parts under a staged key,
//! verifies the digest by reading that object back (unless the hold hashed every byte), copies exactly the object that
//! was verified to the blob's key, and only then writes the row. Each step is recorded or can be repeated, so
//! completion continues where it was cut off, also in another process.

mod complete;
mod orphans;
mod part_slots;
mod upload_part;
mod verify_digest;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;
use quick_cache::sync::Cache;

pub(super) use orphans::ORPHAN_AGE;

use super::names::{PartNumber, UploadId, blob_key, staged_key};
use super::sessions::{Sessions, open_upload};
use super::upload_state::UploadGuard;
use super::{BlobError, PartSizes, Target, detached};
use crate::blobs::tables;
use crate::blobs::tables::BucketUploadRow;
use crate::objects::{self, Object, Objects, Presigned, ResponseHeaders};
use atproto::syntax::{Did, Digest};
use part_slots::PartSlots;
use server::sqlite::Read;

/// Smallest size of a part in S3 except for the last one, 5 MiB; other providers accept less.
const MIN_PART_BYTES: u64 = 5 << 20;
/// Number of cached uploads whose part URLs are being requested, at about 300 bytes each.
const KNOWN_UPLOADS: usize = 4096;
/// Number of times that a use of an upload by URLs is recorded before the upload would be stale.
const TOUCHES: u64 = 24;

/// The bucket with its uploads; cheap to clone.
#[derive(Clone)]
pub(super) struct Bucket {
    sessions: Sessions,
    store: objects::Bucket,
    objects: Objects,
    presigned: Presigned,
    slots: PartSlots,
    /// Open uploads that the store knows, so that a URL costs no look-up in the database. Entries are added and removed
    /// under the upload's lock.
    known: Arc<Cache<UploadId, Arc<Known>>>,
}

struct Known {
    account: Did,
    multipart: String,
    touched_us: AtomicU64,
}

impl Bucket {
    pub(super) fn new(store: objects::Bucket, presigned: Presigned, sessions: Sessions) -> Self {
        Self {
            sessions,
            objects: Objects::in_bucket(store.clone()),
            store,
            presigned,
            slots: PartSlots::default(),
            known: Arc::new(Cache::new(KNOWN_UPLOADS)),
        }
    }

    /// Returns the bucket's client.
    pub(super) fn store(&self) -> &objects::Bucket {
        &self.store
    }

    /// Whether clients get URLs of the store to read from.
    pub(super) fn signs_reads(&self) -> bool {
        self.presigned.signs_reads()
    }

    /// Whether clients get URLs of the store to send parts to.
    pub(super) fn signs_parts(&self) -> bool {
        self.presigned.signs_parts() && self.store.signs_parts()
    }

    /// Returns the sizes of parts that the store and the hold accept.
    pub(super) fn part_sizes(&self) -> PartSizes {
        let max_bytes = self.store.max_part_bytes().min(self.sessions.limits().max_part_bytes);
        PartSizes::Between { min_bytes: MIN_PART_BYTES, max_bytes }
    }

    /// Returns the URL for a part of an open upload.
    pub(super) async fn part_url(
        &self,
        id: &UploadId,
        account: &Did,
        number: PartNumber,
        now_us: u64,
    ) -> Result<Target, BlobError> {
        let known = match self.known.get(id) {
            Some(known) => known,
            None => self.remember(id, account).await?,
        };
        if known.account != *account {
            return Err(BlobError::UnknownUpload);
        }
        self.touch(id, &known, now_us).await?;
        let url = self.store.presign_part(&staged_key(id), &known.multipart, number.to_u16()).await?;
        Ok(Target::Store(url))
    }

    async fn remember(&self, id: &UploadId, account: &Did) -> Result<Arc<Known>, BlobError> {
        let (bucket, id, account) = (self.clone(), *id, account.clone());
        detached(async move {
            let upload = bucket.sessions.uploads.lock(&id).await;
            let multipart = bucket.multipart(&upload, &account, true).await?.multipart;
            // The upload may have begun long ago: the first URL is recorded as a use.
            let known = Arc::new(Known { account, multipart, touched_us: AtomicU64::new(0) });
            bucket.known.insert(id, Arc::clone(&known));
            Ok(known)
        })
        .await
    }

    /// Records a use of the upload, unless one was recorded a short time ago.
    async fn touch(&self, id: &UploadId, known: &Known, now_us: u64) -> Result<(), BlobError> {
        let noted_us = known.touched_us.load(Ordering::Relaxed);
        let rest_us = self.sessions.limits().stale_upload_s.saturating_mul(1_000_000) / TOUCHES;
        // A later time than now is of a clock that was ahead.
        if now_us.abs_diff(noted_us) < rest_us {
            return Ok(());
        }
        known.touched_us.store(now_us, Ordering::Relaxed);
        let key = *id.key();
        Ok(self.sessions.db.write(move |write| tables::touch_upload(write, &key, now_us)).await?)
    }

    /// Returns the multipart upload of an open upload whose parts are not assembled yet; creates it for the first part.
    /// With `bypassed_hold`, bytes may bypass the hold from now on.
    async fn multipart(
        &self,
        upload: &UploadGuard,
        account: &Did,
        bypassed_hold: bool,
    ) -> Result<BucketUploadRow, BlobError> {
        let (key, who) = (*upload.id().key(), account.clone());
        let find = move |read: &Read<'_>| {
            open_upload(read, &key, &who)?;
            Ok::<_, BlobError>(tables::bucket_upload(read, &key)?)
        };
        match self.sessions.db.read(find).await? {
            // The store accepts no more parts of it.
            Some(BucketUploadRow { staged: Some(_), .. }) => Err(BlobError::UnknownUpload),
            Some(found) if found.bypassed_hold || !bypassed_hold => Ok(found),
            Some(found) => {
                self.mark_bypassed_hold(upload).await?;
                Ok(BucketUploadRow { bypassed_hold: true, ..found })
            }
            None => {
                let multipart = self.store.create_multipart(&staged_key(upload.id())).await?;
                let begun = BucketUploadRow { multipart: multipart.clone(), bypassed_hold, staged: None };
                let begin = self
                    .sessions
                    .db
                    .write(move |write| tables::begin_bucket_upload(write, &key, &multipart, bypassed_hold));
                begin.await?;
                Ok(begun)
            }
        }
    }

    /// Records that the store may have other bytes than those the hold saw.
    async fn mark_bypassed_hold(&self, upload: &UploadGuard) -> Result<(), BlobError> {
        let key = *upload.id().key();
        Ok(self.sessions.db.write(move |write| tables::mark_bypassed_hold(write, &key)).await?)
    }

    /// Returns the URL to read a blob with `method`.
    pub(super) async fn read_url(&self, digest: &Digest, method: Method) -> Result<Target, BlobError> {
        // A layer has a client's bytes: a browser must never show them as part of the store's site.
        let headers = ResponseHeaders {
            content_type: Some("application/octet-stream".into()),
            content_disposition: Some("attachment".into()),
        };
        Ok(Target::Store(self.store.presign_read(method, &blob_key(digest), &headers).await?))
    }

    pub(super) async fn open_object(&self, digest: &Digest) -> Result<Option<Object>, BlobError> {
        Ok(self.objects.open_object(&blob_key(digest)).await?)
    }

    /// Ends an upload whose staged bytes are gone from the store, or are others: somebody else removed or replaced them.
    async fn end_lost(&self, upload: &UploadGuard) -> Result<(), BlobError> {
        let Some(dropped) = self.sessions.delete_open(upload, |_| true).await? else { return Ok(()) };
        self.clear(upload, dropped.multipart.as_deref()).await;
        let stale_s = self.sessions.limits().stale_upload_s;
        tracing::warn!(
            upload = %upload.id(),
            "what an upload staged was removed from the bucket, or changed there, by somebody else: its client begins anew; \
             lifecycle rules must leave uploads/ alone for {stale_s} s (limits.stale_upload_s)"
        );
        Ok(())
    }

    /// Removes the staged bytes of an upload that is finished or gone; a failure here leaves them to the sweep.
    pub(super) async fn clear(&self, upload: &UploadGuard, multipart: Option<&str>) {
        self.known.remove(upload.id());
        let Some(multipart) = multipart else { return };
        let key = staged_key(upload.id());
        let (aborted, deleted) = tokio::join!(self.store.abort_multipart(&key, multipart), self.store.delete(&key));
        if let Err(error) = aborted.and(deleted) {
            tracing::warn!(%error, upload = %upload.id(), "what an upload staged stays in the bucket until it is swept");
        }
    }
}
