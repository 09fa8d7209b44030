//! The sweep: drops stale uploads, rows of finished uploads, and staged bytes without an owner.

use std::time::Duration;

use crate::blobs::tables;
use crate::blobs::tables::UploadRow;
use atproto::syntax::Did;
use server::daemon::ClockSteps;
use server::sqlite::Read;

use super::bucket::ORPHAN_AGE;
use super::names::UploadId;
use super::upload_state::UploadGuard;
use super::{BlobError, Blobs, Store};

/// Counts of dropped items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Open uploads that were stale.
    pub uploads: usize,
    /// Rows of uploads that finished long ago.
    pub finished: usize,
    /// Staged bytes without an upload: folders in a storage directory; objects and multipart uploads in a bucket.
    pub orphans: usize,
}

impl Blobs {
    /// Drops uploads not used for the configured time, deletes the rows of finished ones of that age, and removes
    /// staged bytes without an owner: from a bucket only those of that age. The time of one that a clock used which was
    /// ahead is now, from the first sweep on. `steps` has looked at the clock: a step ahead makes nothing older.
    ///
    /// # Errors
    /// When storage fails; what was dropped until then stays dropped. When the storage that is there is not the hold's
    /// own: what nobody owns here is of somebody else.
    pub async fn sweep(&self, now_us: u64, steps: &ClockSteps) -> Result<Swept, BlobError> {
        self.require_storage()?;
        let before_us = steps.before_us(now_us, Duration::from_secs(self.sessions.limits().stale_upload_s));
        let db = &self.sessions.db;
        let latest_us = ClockSteps::latest_us(now_us);
        db.write(move |write| tables::bring_back(write, now_us, latest_us)).await?;
        let stale = db.read(move |read| tables::stale_uploads(read, before_us)).await?;
        let mut swept = Swept::default();
        for id in stale.into_iter().map(UploadId::from_key) {
            // A part may have been recorded since the list was read.
            if self.drop_unless_busy(&id, move |upload| upload.touched_us < before_us).await? {
                swept.uploads += 1;
                self.sessions.counts.swept.inc();
            }
        }
        let forget = db.write(move |write| tables::delete_finished_uploads(write, before_us));
        swept.finished = forget.await?;
        swept.orphans = match &self.store {
            Store::Files(files) => files.drop_orphan_folders().await? + files.drop_left_migrations(now_us).await?,
            Store::Bucket(bucket) => bucket.drop_orphans(before_us.min(steps.before_us(now_us, ORPHAN_AGE))).await?,
        };
        Ok(swept)
    }

    /// Drops uploads that got no part, and have none in flight, within the configured time: each takes a place from
    /// others. Returns how many.
    ///
    /// # Errors
    /// As [`Blobs::sweep`].
    pub async fn sweep_empty(&self, now_us: u64, steps: &ClockSteps) -> Result<usize, BlobError> {
        let before_us = steps.before_us(now_us, Duration::from_secs(self.sessions.limits().empty_upload_s));
        let read = move |read: &Read<'_>| tables::empty_uploads(read, before_us);
        let mut dropped = 0;
        for id in self.sessions.db.read(read).await?.into_iter().map(UploadId::from_key) {
            let Some(upload) = self.sessions.uploads.try_lock(&id) else { continue };
            // The first part, or the first URL for one, may have come since the list was read.
            let still_empty = move |read: &Read<'_>| {
                let is_empty = tables::part_totals(read, id.key())?.parts == 0;
                Ok::<_, BlobError>(is_empty && tables::bucket_upload(read, id.key())?.is_none())
            };
            if upload.is_shared() || !self.sessions.db.read(still_empty).await? {
                continue;
            }
            if self.drop_locked(&upload, move |upload| upload.touched_us < before_us).await? {
                dropped += 1;
                self.sessions.counts.swept.inc();
            }
        }
        Ok(dropped)
    }

    /// Returns the accounts that have open uploads.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn uploading_accounts(&self) -> Result<Vec<Did>, BlobError> {
        Ok(self.sessions.db.read(tables::uploading_accounts).await?)
    }

    /// Drops all open uploads of an account that lost its permission to write, also those with a part in flight, but none
    /// that is being completed. Returns how many.
    ///
    /// # Errors
    /// As [`Blobs::sweep`].
    pub async fn revoke_uploads(&self, account: &Did) -> Result<usize, BlobError> {
        let owner = account.clone();
        let read = move |read: &Read<'_>| tables::open_uploads_of(read, &owner);
        let mut dropped = 0;
        for id in self.sessions.db.read(read).await?.into_iter().map(UploadId::from_key) {
            if self.drop_unless_busy(&id, |_| true).await? {
                dropped += 1;
                self.sessions.counts.revoked.inc();
            }
        }
        Ok(dropped)
    }

    /// Drops an open upload and its staged bytes if `which` holds for its row. Returns whether it did.
    pub(super) async fn drop_if(
        &self,
        id: &UploadId,
        which: impl FnOnce(&UploadRow) -> bool + Send + 'static,
    ) -> Result<bool, BlobError> {
        let upload = self.sessions.uploads.lock(id).await;
        self.drop_locked(&upload, which).await
    }

    /// As [`Blobs::drop_if`], unless the upload's lock is taken: one that is being completed may take minutes, and whoever
    /// looks at all uploads does not wait for it, but comes again.
    pub(super) async fn drop_unless_busy(
        &self,
        id: &UploadId,
        which: impl FnOnce(&UploadRow) -> bool + Send + 'static,
    ) -> Result<bool, BlobError> {
        let Some(upload) = self.sessions.uploads.try_lock(id) else { return Ok(false) };
        self.drop_locked(&upload, which).await
    }

    pub(super) async fn drop_locked(
        &self,
        upload: &UploadGuard,
        which: impl FnOnce(&UploadRow) -> bool + Send + 'static,
    ) -> Result<bool, BlobError> {
        let Some(dropped) = self.sessions.delete_open(upload, which).await? else { return Ok(false) };
        match &self.store {
            Store::Files(files) => files.close_and_remove(upload).await,
            Store::Bucket(bucket) => bucket.clear(upload, dropped.multipart.as_deref()).await,
        }
        Ok(true)
    }
}
