//! Errors of pulling, pushing and deleting images.

use crate::holds::HoldsError;
use crate::repos::ReposError;
use atproto::syntax::Digest;
use server::storage::StorageError;

/// Errors of pulling, pushing and deleting images.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// The record of the manifest would exceed the size that PDSes accept.
    #[error("the manifest names too much: its record would have more than a million bytes, which no PDS takes")]
    TooLarge,
    /// The manifest is invalid.
    #[error("the manifest cannot be taken: {0}")]
    Invalid(String),
    /// The manifest has another digest than the one it is pushed as.
    #[error("the manifest has the digest {0}")]
    OtherDigest(Digest),
    /// The manifest names a blob or a manifest that is missing.
    #[error("the manifest names what was not pushed: {0}")]
    Missing(Digest),
    /// Another image's tag has the same record key.
    #[error("the tag cannot be written: {0} has the same record; give it another name")]
    TagTaken(String),
    /// Too many notices of the account wait for holds.
    #[error(
        "holds are still to be told of {waiting} images of this account, and do not answer: try again when they do"
    )]
    QueueFull {
        /// Number of waiting notices.
        waiting: u64,
    },
    /// Error of the owner's repository.
    #[error(transparent)]
    Repos(#[from] ReposError),
    /// Error of the hold. If it refused a manifest, the records of the push are restored.
    #[error(transparent)]
    Hold(#[from] HoldsError),
    /// The database failed.
    #[error("the database failed: {0}")]
    Storage(#[from] StorageError),
}

impl ImagesError {
    /// Whether the write of a record that failed with this error certainly wrote nothing.
    pub(super) fn wrote_nothing(&self) -> bool {
        match self {
            Self::TagTaken(_) => true,
            Self::Repos(error) => error.wrote_nothing(),
            _ => false,
        }
    }
}
