//! Errors of any storage (a file system, a database, a bucket) and their counters; the space of a disk, and
//! reservations of it.
//!
//! A [`StorageError`] tells its caller what to do about it. Code that makes one of a library's error counts it with
//! [`count_fault`].

mod directory;
mod disk_space;
mod faults;
mod file_lock;
mod hash;
mod ownership;
mod partial_file;
mod reservation;

pub use directory::{directory_of, sync_directory_of};
pub use disk_space::{DiskSpace, check_not_full, check_writable, warn_if_full};
pub use faults::{Origin, count_fault, faults, show_faults};
pub use file_lock::lock_within;
pub use hash::Hash;
pub use ownership::give_to_owner_of;
pub use partial_file::PartialFile;
pub use reservation::{Disk, Need, Reservation};

/// Errors of storage. `Display` is for the log, never for a response body.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The disk, quota or file-size limit is exhausted. Nothing was written; free space and retry.
    #[error("no space left: {0}")]
    NoSpace(#[source] Source),
    /// Storage does not answer, or is not writable (read-only file system, lost mount, a busy store). Retry later.
    #[error("storage is unavailable: {0}")]
    Unavailable(#[source] Source),
    /// The store refuses access: credentials, permissions or the bucket are wrong. The operator must act.
    #[error("storage refuses access: {0}")]
    Refused(#[source] Source),
    /// Stored bytes differ from those that were written.
    #[error("storage is damaged: {0}")]
    Damaged(#[source] Source),
    /// Any other error; a defect or an I/O error whose outcome is unknown.
    #[error("storage failed: {0}")]
    Failed(#[source] Source),
}

/// The underlying error of any library.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

impl StorageError {
    /// Creates a failure with this message, where there is no underlying error.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::Failed(what.into().into())
    }
}

impl From<std::io::Error> for StorageError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        // The stream of an object in a bucket has the store's own error inside.
        let error = match error.downcast::<Self>() {
            Ok(inner) => return inner,
            Err(error) => error,
        };
        let error = match error.kind() {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => Self::NoSpace(error.into()),
            Kind::ReadOnlyFilesystem | Kind::NotFound | Kind::StaleNetworkFileHandle => Self::Unavailable(error.into()),
            _ => Self::Failed(error.into()),
        };
        count_fault(Origin::Filesystem, error)
    }
}
