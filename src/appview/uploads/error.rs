//! Why an upload does not go on.

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

impl From<std::io::Error> for UploadsError {
    fn from(error: std::io::Error) -> Self {
        Self::Storage(error.into())
    }
}
