//! Why an upload does not go on.

use super::UploadBound;
use crate::holds::HoldsError;
use server::storage::StorageError;
use server::wire::BodyFault;

/// Why an upload does not go on.
#[derive(Debug, thiserror::Error)]
pub enum UploadsError {
    /// There is no such upload of this account in this repository.
    #[error("there is no such upload")]
    Unknown,
    /// The bytes have another hash.
    #[error("the bytes that came do not have this digest")]
    WrongDigest,
    /// More parts than a hold takes.
    #[error("a blob may have 160 GiB at most")]
    TooLarge,
    /// A bound on uploads would have been passed.
    #[error("{}", .0.message())]
    Bound(UploadBound),
    /// The body did not come.
    #[error(transparent)]
    Body(#[from] BodyFault),
    /// The hold takes no bytes, or does not answer after the last.
    #[error("the hold has not taken a part in time")]
    Stalled,
    /// The hold refuses, or is away.
    #[error(transparent)]
    Hold(#[from] HoldsError),
    /// This machine's disk or database failed.
    #[error("{0}")]
    Storage(#[from] StorageError),
}

impl UploadBound {
    fn message(self) -> &'static str {
        match self {
            Self::Account => "the account has too many uploads open: end some of them, or try again later",
            Self::Total => "too many uploads are open here: try again later",
            Self::Spool => "too much of this account waits on the registry's disk: send less at once",
            Self::Disk => "the registry's disk is full",
        }
    }
}

impl From<std::io::Error> for UploadsError {
    fn from(error: std::io::Error) -> Self {
        Self::Storage(error.into())
    }
}
