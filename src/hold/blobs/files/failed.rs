//! Failures of a part, by what is lost with it.

use crate::objects::SyncError;
use server::storage::StorageError;

use crate::blobs::{BlobError, BodyError};

/// The failure of a part, by what is dropped.
pub(super) enum Failed {
    /// The part is dropped.
    Part(BlobError),
    /// An fsync failed: which of the upload's bytes are on disk is unknown, so the whole upload is dropped.
    Unsynced(StorageError),
}

impl From<BlobError> for Failed {
    fn from(error: BlobError) -> Self {
        Self::Part(error)
    }
}

impl From<SyncError> for Failed {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::NotTried(error) => Self::Part(error.into()),
            SyncError::Unknown(error) => Self::Unsynced(error),
        }
    }
}

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Self::Part(error.into())
    }
}

impl From<BodyError> for Failed {
    fn from(error: BodyError) -> Self {
        Self::Part(error.into())
    }
}
