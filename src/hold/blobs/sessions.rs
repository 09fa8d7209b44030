//! Upload sessions as rows: their accounts, their begin and their end. The same for both kinds of store.

use crate::blobs::tables;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::blobs::tables::{OpenUploads, UploadKey, UploadRow};
use crate::objects::Objects;
use atproto::syntax::{Did, Digest};
use server::nonpoison::RwLock;
use server::sqlite::{Database, Read, Write};

use super::counts::UploadCounts;
use super::digest_lock::DigestGuard;
use super::names::{UploadId, blob_key};
use super::quotas::Quotas;
use super::upload_share::{UploadLimit, UploadShare};
use super::upload_state::{UploadGuard, UploadStates};
use super::{BlobError, UploadLimits};

/// Least time between two warnings about refused uploads.
const WARN_EVERY_US: u64 = 60_000_000;

/// The upload sessions of one hold; cheap to clone.
#[derive(Clone)]
pub(super) struct Sessions {
    pub(super) db: Database,
    limits: Arc<RwLock<Arc<UploadLimits>>>,
    pub(super) uploads: Arc<UploadStates>,
    pub(super) counts: Arc<UploadCounts>,
    pub(super) quotas: Arc<Quotas>,
    /// Time of the last logged refusal, in microseconds since 1970.
    warned_us: Arc<AtomicU64>,
}

/// The bucket's part of an upload whose row was deleted.
pub(super) struct Dropped {
    /// The store's id of its multipart upload, if there was one.
    pub(super) multipart: Option<String>,
}

impl Sessions {
    pub(super) fn new(db: Database, limits: UploadLimits) -> Self {
        Self {
            db,
            limits: Arc::new(RwLock::new(Arc::new(limits))),
            uploads: Arc::default(),
            counts: Arc::default(),
            quotas: Arc::default(),
            warned_us: Arc::default(),
        }
    }

    pub(super) fn limits(&self) -> Arc<UploadLimits> {
        Arc::clone(&self.limits.read())
    }

    pub(super) fn set_limits(&self, limits: UploadLimits) {
        *self.limits.write() = Arc::new(limits);
    }

    pub(super) async fn initiate(&self, share: UploadShare, account: &Did, now_us: u64) -> Result<UploadId, BlobError> {
        let id = UploadId::random()?;
        let (owner, limits, quotas) = (account.clone(), self.limits(), Arc::clone(&self.quotas));
        let begin = move |write: &Write<'_>| {
            quotas.check_any(write, &owner)?;
            let open = tables::open_uploads(write, &owner)?;
            if let Some(limit) = share.refusal(open, &limits) {
                return Ok::<_, BlobError>(Err((limit, open)));
            }
            tables::begin_upload(write, id.key(), &owner, now_us)?;
            Ok(Ok(()))
        };
        match self.db.write(begin).await.inspect_err(|error| self.note_refused(error, account, now_us))? {
            Ok(()) => {
                self.counts.begun.inc();
                Ok(id)
            }
            Err((limit, open)) => {
                self.refused(limit, account, open, now_us);
                Err(BlobError::TooManyUploads)
            }
        }
    }

    /// Counts a refusal, and logs it at most once a minute: a client may repeat it as often as it likes.
    fn refused(&self, limit: UploadLimit, account: &Did, open: OpenUploads, now_us: u64) {
        self.counts.refused.inc(limit);
        if !self.may_warn(now_us) {
            return;
        }
        let (own_limit, total) = (self.limits().uploads_per_account, self.limits().uploads_total);
        let OpenUploads { own, all } = open;
        tracing::warn!(
            %account, own, own_limit, all, total,
            "upload refused: {}", limit.reason()
        );
    }

    /// Counts a refusal by a quota, and logs it at most once a minute; other errors are ignored.
    pub(super) fn note_refused(&self, error: &BlobError, account: &Did, now_us: u64) {
        if matches!(error, BlobError::QuotaExceeded { .. }) {
            self.counts.refused.inc(UploadLimit::Quota);
            if self.may_warn(now_us) {
                tracing::warn!(%account, "upload refused: {error}");
            }
        }
    }

    /// Whether no warning was logged within a minute. If so, records this moment as the last one.
    fn may_warn(&self, now_us: u64) -> bool {
        let warned_us = self.warned_us.load(Ordering::Relaxed);
        if now_us.abs_diff(warned_us) < WARN_EVERY_US {
            return false;
        }
        self.warned_us.store(now_us, Ordering::Relaxed);
        true
    }

    /// Records that an upload was used just now. Of a part before it is no more in flight.
    pub(super) fn note_use(&self, id: &UploadId) {
        self.quotas.note_use(id, self.limits().idle_upload);
    }

    /// Fails with [`BlobError::QuotaExceeded`] when the account has more than its quota.
    pub(super) async fn check_quota(&self, account: &Did) -> Result<(), BlobError> {
        let (quotas, account) = (Arc::clone(&self.quotas), account.clone());
        self.db.read(move |read| quotas.check(read, &account)).await
    }

    pub(super) async fn account(&self, id: &UploadId) -> Result<Did, BlobError> {
        let key = *id.key();
        let found = self.db.read(move |read| tables::upload(read, &key)).await?;
        found.filter(|upload| upload.digest.is_none()).map(|upload| upload.account).ok_or(BlobError::UnknownUpload)
    }

    /// Deletes the row of an open upload if `which` holds for it. Returns `None` when nothing was deleted.
    pub(super) async fn delete_open(
        &self,
        upload: &UploadGuard,
        which: impl FnOnce(&UploadRow) -> bool + Send + 'static,
    ) -> Result<Option<Dropped>, BlobError> {
        let key = *upload.id().key();
        let delete = move |write: &Write<'_>| {
            let open = tables::upload(write, &key)?.filter(|upload| upload.digest.is_none());
            if !open.is_some_and(|upload| which(&upload)) {
                return Ok::<_, BlobError>(None);
            }
            let multipart = tables::bucket_upload(write, &key)?.map(|bucket| bucket.multipart);
            tables::delete_upload(write, &key)?;
            Ok(Some(Dropped { multipart }))
        };
        let dropped = self.db.write(delete).await?;
        if dropped.is_some() {
            self.quotas.note_completion(upload.id(), false);
        }
        Ok(dropped)
    }

    /// Makes the blob visible and the upload finished, in one transaction.
    pub(super) async fn finish(
        &self,
        upload: &UploadGuard,
        digest: &DigestGuard,
        size_bytes: u64,
        now_us: u64,
    ) -> Result<(), BlobError> {
        let (key, digest) = (*upload.id().key(), *digest.digest());
        let finish = move |write: &Write<'_>| {
            tables::put_blob(write, &digest, size_bytes, now_us)?;
            tables::put_uploader(write, &digest, &key)?;
            Ok(tables::finish_upload(write, &key, &digest, now_us)?)
        };
        self.db.write(finish).await
    }

    /// Returns the size of an acknowledged blob in bytes.
    pub(super) async fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        let digest = *digest;
        Ok(self.db.read(move |read| tables::blob_size(read, &digest)).await?)
    }

    /// Returns the size of an acknowledged blob whose object is there with that size. A blob without its object can be
    /// uploaded again.
    pub(super) async fn stored_size(&self, objects: &Objects, digest: &Digest) -> Result<Option<u64>, BlobError> {
        let Some(size_bytes) = self.blob_size(digest).await? else { return Ok(None) };
        let found_bytes = objects.size(&blob_key(digest)).await?;
        Ok(found_bytes.filter(|found| *found == size_bytes))
    }
}

/// Returns the row of an upload; fails unless it is open and belongs to `account`.
pub(super) fn open_upload(read: &Read<'_>, key: &UploadKey, account: &Did) -> Result<UploadRow, BlobError> {
    let upload = tables::upload(read, key)?.filter(|upload| upload.digest.is_none() && upload.account == *account);
    upload.ok_or(BlobError::UnknownUpload)
}

/// Whether the upload of `account` already became the blob `digest`; `false` when it is open, else an error.
pub(super) fn is_finished(upload: Option<&UploadRow>, account: &Did, digest: &Digest) -> Result<bool, BlobError> {
    match upload.filter(|upload| upload.account == *account).map(|upload| upload.digest) {
        Some(None) => Ok(false),
        Some(Some(finished)) if finished == *digest => Ok(true),
        _ => Err(BlobError::UnknownUpload),
    }
}
