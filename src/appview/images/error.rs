//! Why an image cannot be pulled or pushed.

use crate::holds::HoldsError;
use crate::repos::ReposError;
use atproto::syntax::Digest;
use server::storage::StorageError;

/// Why an image cannot be pulled or pushed.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// It names so much that no record of it can be.
    #[error("the manifest names too much: its record would have more than a million bytes, which no PDS takes")]
    TooLarge,
    /// The manifest is none.
    #[error("the manifest cannot be taken: {0}")]
    Invalid(String),
    /// The manifest has another digest than it is pushed under.
    #[error("the manifest has the digest {0}")]
    OtherDigest(Digest),
    /// It names blobs or manifests that are not there.
    #[error("the manifest names what was not pushed: {0}")]
    Missing(Digest),
    /// The record of the tag is that of another image.
    #[error("the tag cannot be written: {0} has the same record; give it another name")]
    TagTaken(String),
    /// The owner's repository.
    #[error(transparent)]
    Repos(#[from] ReposError),
    /// The hold. When it refuses a manifest, what was written of that is undone.
    #[error(transparent)]
    Hold(#[from] HoldsError),
    /// The database failed.
    #[error("the database failed: {0}")]
    Storage(#[from] StorageError),
}
