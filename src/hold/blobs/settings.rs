//! The settings of the blob room.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::objects::{self, Presigned};

use super::OpenBlobsError;

/// The settings of the blob room.
#[derive(Clone)]
pub struct BlobSettings {
    /// The place of the blobs.
    pub place: BlobPlace,
    /// The limits of uploads.
    pub limits: UploadLimits,
}

/// The place of the blobs.
#[derive(Clone)]
pub enum BlobPlace {
    /// The storage directory. It must exist.
    Directory(PathBuf),
    /// A bucket.
    Bucket {
        /// The bucket.
        bucket: objects::Bucket,
        /// The requests for which clients get presigned URLs of the store. All others go through the hold.
        presigned: Presigned,
    },
}

/// The limits of uploads.
#[derive(Debug, Clone)]
pub struct UploadLimits {
    /// The largest part, in bytes. An upload whose parts bypassed the hold is aborted when a larger one is measured.
    pub max_part_bytes: u64,
    /// The largest blob, in bytes.
    pub max_blob_bytes: u64,
    /// Number of open uploads of one account.
    pub uploads_per_account: u64,
    /// Number of open uploads of all accounts.
    pub uploads_total: u64,
    /// Seconds after which an unused upload is dropped.
    pub stale_upload_s: u64,
    /// Seconds after which an unused upload without any part is dropped.
    pub empty_upload_s: u64,
    /// Seconds between two measurements of uploads whose parts bypass the hold.
    pub measure_upload_s: u64,
    /// Time without a use after which an upload with no part in flight is dropped when its own account needs the space: a
    /// client that lost its connection begins a new upload, docker after five seconds. An upload whose completion was
    /// refused is dropped at once.
    pub idle_upload: Duration,
    /// Bytes of the file system that uploads leave free: the database may be on the same one.
    pub reserve_bytes: u64,
    /// Least time between two writes of a blob's last use to the database: see [`last_used_resolution`].
    pub last_used_resolution: Duration,
}

/// Returns the least time between two writes of a blob's last use to the database, for blobs that are removed when
/// unused for `grace`.
#[must_use]
pub fn last_used_resolution(grace: Duration) -> Duration {
    (grace / 4).min(Duration::from_secs(3_600))
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self {
            max_part_bytes: 10 << 30,
            max_blob_bytes: 100 << 30,
            uploads_per_account: 64,
            uploads_total: 1024,
            stale_upload_s: 86_400,
            empty_upload_s: 600,
            measure_upload_s: 60,
            idle_upload: Duration::from_secs(3),
            reserve_bytes: 64 << 20,
            last_used_resolution: Duration::from_secs(3_600),
        }
    }
}

/// Checks that the storage directory exists, without writing to it.
///
/// # Errors
/// [`OpenBlobsError::Root`].
pub fn check_root(root: &Path) -> Result<(), OpenBlobsError> {
    let reason = match std::fs::metadata(root) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => "it is not a directory".into(),
        Err(error) => error.to_string(),
    };
    Err(OpenBlobsError::Root { path: root.to_owned(), reason })
}
