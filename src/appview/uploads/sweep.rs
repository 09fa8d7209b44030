//! Removal of uploads that nobody continues, and of files without an upload.

use tokio::fs;

use super::{UploadId, Uploads, UploadsError};
use crate::uploads::tables::{self, Stale};
use server::sqlite::Read;

/// Time for which an idle upload is kept, in microseconds: as long as holds keep theirs.
const STALE_US: u64 = 24 * 60 * 60 * 1_000_000;
/// Time for which an upload without any byte is kept, in microseconds: clients send the first bytes right away.
const EMPTY_US: u64 = 10 * 60 * 1_000_000;

impl Uploads {
    /// Deletes uploads that were idle for a day, those without any byte after ten minutes, and those of a clock that was
    /// ahead by more than a day; returns how many. An upload that a request has locked is kept.
    ///
    /// # Errors
    /// When the database or the disk fails; the same below.
    pub async fn sweep(&self) -> Result<usize, UploadsError> {
        let now_us = (self.clock)();
        let times = Stale {
            before_us: now_us.saturating_sub(STALE_US),
            empty_before_us: now_us.saturating_sub(EMPTY_US),
            after_us: now_us.saturating_add(STALE_US),
        };
        let stale = self.database.read(move |read| tables::stale(read, times)).await?;
        let mut swept = 0;
        for id in stale {
            let Some(_guard) = self.locks.try_lock(&id) else { continue };
            // Bytes may have been received meanwhile.
            let is_stale = move |read: &Read<'_>| tables::is_stale(read, &id, times);
            if self.database.read(is_stale).await? {
                self.forget(id).await?;
                swept += 1;
            }
        }
        self.counts.swept.add(swept as u64);
        Ok(swept)
    }

    /// Removes files whose upload is gone: a crash may come between the deletion of the two, and a database that was
    /// restored does not know the files of later uploads. Returns how many.
    ///
    /// # Errors
    /// As [`Uploads::sweep`].
    pub async fn sweep_files(&self) -> Result<usize, UploadsError> {
        let (mut files, mut removed) = (fs::read_dir(&self.directory).await?, 0);
        while let Some(file) = files.next_entry().await? {
            let Some(id) = file.file_name().to_str().and_then(id_of) else { continue };
            // The row is there before the file.
            if self.database.read(move |read| tables::has(read, &id)).await? {
                continue;
            }
            self.remove_tail(&id).await?;
            removed += 1;
        }
        Ok(removed)
    }
}

/// Returns the upload whose file has this name.
fn id_of(name: &str) -> Option<UploadId> {
    data_encoding::HEXLOWER.decode(name.as_bytes()).ok()?.try_into().ok()
}
