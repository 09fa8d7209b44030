//! What time leaves behind: uploads that nobody completed, rows of finished ones, staged bytes without an owner.

use std::collections::HashSet;

use crate::storage::StorageError;
use crate::storage::sqlite::PartPlace;

use super::names::{MAIN, UploadId};
use super::{BlobError, Blobs, blocking};

/// What a sweep dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Open uploads that were stale.
    pub uploads: usize,
    /// Rows of uploads that finished long ago.
    pub finished: usize,
    /// Folders of staged bytes without an upload.
    pub orphans: usize,
}

impl Blobs {
    /// Drops uploads that nothing touched for the configured time, and forgets finished ones of that age.
    ///
    /// # Errors
    /// When storage fails; what was dropped until then stays dropped.
    pub async fn sweep(&self, now_us: u64) -> Result<Swept, BlobError> {
        let before_us = now_us.saturating_sub(self.limits().stale_upload_s.saturating_mul(1_000_000));
        let stale = self.db.read(move |read| read.stale_uploads(before_us).map_err(BlobError::from)).await?;
        let mut swept = Swept::default();
        for id in stale.into_iter().map(UploadId::from_key) {
            let live = self.uploads.get(&id);
            let _order = live.order.lock().await;
            // A part may have been recorded since the list was read.
            if self.is_stale(&id, before_us).await? && self.drop_open(&live, &id).await? {
                swept.uploads += 1;
            }
        }
        let forget = self.db.write(move |write| write.delete_finished_uploads(before_us).map_err(BlobError::from));
        swept.finished = forget.await?;
        swept.orphans = self.drop_orphan_folders().await?;
        Ok(swept)
    }

    async fn is_stale(&self, id: &UploadId, before_us: u64) -> Result<bool, BlobError> {
        let key = *id.key();
        self.db.read(move |read| Ok(read.upload(&key)?.is_some_and(|upload| upload.touched_us < before_us))).await
    }

    /// At start, while nothing is in flight: removes all staged bytes that no row claims.
    pub(super) async fn drop_orphans(&self) -> Result<(), StorageError> {
        self.drop_orphan_folders().await.map_err(into_storage)?;
        for folder in self.folders().await.map_err(into_storage)? {
            self.drop_orphan_files(&folder).await.map_err(into_storage)?;
        }
        Ok(())
    }

    /// Removes folders of no open upload. An upload's row is there before its folder is made.
    async fn drop_orphan_folders(&self) -> Result<usize, BlobError> {
        let mut dropped = 0;
        for folder in self.folders().await? {
            let open = match UploadId::parse(&folder) {
                Ok(id) => self.session_account(&id).await,
                Err(error) => Err(error),
            };
            match open {
                Ok(_) => {}
                Err(BlobError::UnknownUpload) => {
                    self.remove_staged(folder).await;
                    dropped += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(dropped)
    }

    async fn drop_orphan_files(&self, folder: &str) -> Result<(), BlobError> {
        let Ok(id) = UploadId::parse(folder) else { return Ok(()) };
        let key = *id.key();
        let parts = self.db.read(move |read| read.parts(&key).map_err(BlobError::from)).await?;
        let claimed = parts.into_iter().filter_map(|part| match part.place {
            PartPlace::OwnFile { name } => Some(name),
            PartPlace::Appended { .. } => None,
        });
        let claimed = claimed.chain([MAIN.to_owned()]).collect::<HashSet<_>>();
        let staging = self.staging.clone();
        let folder = folder.to_owned();
        blocking(move || {
            for name in staging.names(Some(&folder))?.iter().filter(|name| !claimed.contains(*name)) {
                staging.remove(&format!("{folder}/{name}"))?;
            }
            Ok(())
        })
        .await
    }

    async fn folders(&self) -> Result<Vec<String>, BlobError> {
        let staging = self.staging.clone();
        blocking(move || Ok(staging.names(None)?)).await
    }
}

fn into_storage(error: BlobError) -> StorageError {
    match error {
        BlobError::NoSpace(error) | BlobError::Unavailable(error) | BlobError::Storage(error) => error,
        other => StorageError::Failed(other.into()),
    }
}
