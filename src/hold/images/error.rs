//! Errors of the room.

use crate::crew::CrewError;
use crate::pds::PdsError;
use atproto::syntax::{Digest, Size};

/// Errors of the records of images, one variant for each remedy of the caller.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// The description of a manifest is not valid, for the reason in the text.
    #[error("{0}")]
    Invalid(String),
    /// The account has no permission to write, or no longer.
    #[error("the account is no crew member that may write")]
    NotPermitted,
    /// Blobs of the manifest are not in this hold: upload them first.
    #[error("{count} of the manifest's blobs are not in this hold: {}", list(.first))]
    MissingBlobs {
        /// The number of missing blobs.
        count: usize,
        /// The first of the missing blobs.
        first: Vec<Digest>,
    },
    /// The manifest gives a blob another size than it has.
    #[error("{digest} has {actual} bytes, not {said} as the manifest says")]
    WrongSize {
        /// The blob.
        digest: Digest,
        /// The size in the manifest, in bytes.
        said: u64,
        /// The size of the blob, in bytes.
        actual: u64,
    },
    /// The account would exceed its quota.
    #[error("quota exceeded: {used} are used, the manifest adds {added}, and the limit is {limit}")]
    QuotaExceeded {
        /// Bytes that the account uses.
        used: Size,
        /// Bytes that the manifest adds.
        added: Size,
        /// The quota.
        limit: Size,
    },
    /// The config of the manifest is larger than the limit.
    #[error("the config {digest} has {size}, and a config may have {limit} (limits.max_config_bytes)")]
    ConfigTooLarge {
        /// The config.
        digest: Digest,
        /// The size of the config.
        size: Size,
        /// The limit.
        limit: Size,
    },
    /// The account has as many images as the limit allows.
    #[error("the account has {limit} images, as many as one may have here")]
    TooManyImages {
        /// The limit of images.
        limit: u64,
    },
    /// The account has too many images beside this one in a node of the repository's tree, which only chosen names lead
    /// to.
    #[error("{limit} images of the account stand beside this one in the repository's tree; push it under another name")]
    ImagesInNode {
        /// The limit of images in a node.
        limit: usize,
    },
    /// The account would exceed its limit of records.
    #[error("the account has {has} layers and manifests, this one adds {added}, and {limit} may be recorded")]
    TooManyRecords {
        /// Number of records that the account has.
        has: u64,
        /// Number of records that the manifest adds.
        added: u64,
        /// The limit.
        limit: u64,
    },
    /// The configuration has no tiers.
    #[error("this hold has no tiers")]
    NoTiers,
    /// A pull was not counted, because of an error of the database, which the log has.
    #[error("the pull could not be counted")]
    NotCounted,
    /// The crew records could not be read or written.
    #[error(transparent)]
    Crew(#[from] CrewError),
    /// The repository refused the change, or failed.
    #[error(transparent)]
    Pds(#[from] PdsError),
}

impl From<server::storage::StorageError> for ImagesError {
    fn from(error: server::storage::StorageError) -> Self {
        Self::Pds(error.into())
    }
}

fn list(digests: &[Digest]) -> String {
    digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
