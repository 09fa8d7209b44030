//! Why storage fails, whatever it is (a file system, a database, a bucket), how often it did, how full a disk is, and
//! what of it is promised.
//!
//! A [`StorageError`] says what its caller can do about it. Whoever makes one of a library's own error counts it
//! with [`count_fault`].

mod disk_space;
mod faults;
mod hash;
mod reservation;

pub use disk_space::{DiskSpace, check_room, check_writable};
pub use faults::{Origin, count_fault, faults, show_faults};
pub use hash::Hash;
pub use reservation::{Disk, Need, Reservation};

/// Why storage could not do what it was asked. `Display` is for the log, never for a response body.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The disk, quota or file-size limit is exhausted. Nothing was written; free space and repeat.
    #[error("no space left: {0}")]
    NoSpace(#[source] Source),
    /// Storage does not answer, or takes no writes (read-only file system, lost mount, a busy store). Repeat later.
    #[error("storage is unavailable: {0}")]
    Unavailable(#[source] Source),
    /// The store refuses access: credentials, permissions or the bucket are wrong. The operator must act.
    #[error("storage refuses the hold: {0}")]
    Refused(#[source] Source),
    /// Bytes on disk are not what was written.
    #[error("storage is damaged: {0}")]
    Damaged(#[source] Source),
    /// Anything else; a defect or an input/output error whose outcome is unknown.
    #[error("storage failed: {0}")]
    Failed(#[source] Source),
}

/// The underlying error, whatever library it came from.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

impl StorageError {
    /// A failure described in words, where no library error stands behind it.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::Failed(what.into().into())
    }
}

impl From<std::io::Error> for StorageError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        // The stream of an object in a bucket carries the store's own error.
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
