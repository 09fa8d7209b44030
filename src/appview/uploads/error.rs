//! Errors of an upload, and of the directory of all uploads.

use std::io;
use std::path::PathBuf;

use crate::holds::HoldsError;
use server::storage::StorageError;
use server::wire::BodyFault;

/// The directory of the bytes that are short of a part cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the directory of uploads {path} cannot be used: {error}; let it be a directory in which this user can write")]
pub struct DirectoryError {
    /// The directory.
    pub(super) path: PathBuf,
    /// The I/O error.
    pub(super) error: io::Error,
}

impl DirectoryError {
    /// Whether the operator must act: another start would fail in the same way.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        use io::ErrorKind::{AlreadyExists, NotADirectory, PermissionDenied};
        matches!(self.error.kind(), AlreadyExists | NotADirectory | PermissionDenied)
    }
}

/// Errors of an upload.
#[derive(Debug, thiserror::Error)]
pub enum UploadsError {
    /// There is no such upload of this account in this repository.
    #[error("there is no such upload")]
    Unknown,
    /// The SHA-256 of the received bytes is not the digest.
    #[error("the bytes that came do not have this digest")]
    WrongDigest,
    /// The blob needs more parts than a hold takes.
    #[error("a blob may have 160 GiB at most")]
    TooLarge,
    /// A limit of uploads would have been exceeded.
    #[error("{}", .0.message())]
    Bound(UploadBound),
    /// The client's body failed.
    #[error(transparent)]
    Body(#[from] BodyFault),
    /// The hold stopped reading a part, or did not answer in time after its last byte, or answered before it.
    #[error("the hold has not taken a part in time")]
    Stalled,
    /// The hold refused, or cannot be reached.
    #[error(transparent)]
    Hold(#[from] HoldsError),
    /// The disk or the database failed.
    #[error("{0}")]
    Storage(#[from] StorageError),
}

server::label! {
    /// The limit that an upload would have exceeded.
    pub enum UploadBound {
        /// Open uploads of one account.
        Account = "account",
        /// Open uploads of all accounts.
        Total = "total",
        /// Bytes of one account on this disk.
        Spool = "spool",
        /// Free space of this disk.
        Disk = "disk",
    }
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
