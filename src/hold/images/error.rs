//! Errors of the room.

use crate::crew::CrewError;
use crate::pds::PdsError;
use atproto::syntax::{Digest, Size};

/// Why something about an image was not recorded, by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// The description of a manifest is not valid; the text says why.
    #[error("{0}")]
    Invalid(String),
    /// The account may not write any more.
    #[error("the account is no crew member that may write")]
    NotPermitted,
    /// Blobs of the manifest are not here: upload them first.
    #[error("{count} of the manifest's blobs are not in this hold: {}", list(.first))]
    MissingBlobs {
        /// The number of missing blobs.
        count: usize,
        /// The first of them.
        first: Vec<Digest>,
    },
    /// The manifest says another size than a blob has.
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
        /// How much it has.
        used: Size,
        /// How much it would get.
        added: Size,
        /// How much it may have.
        limit: Size,
    },
    /// The config of the manifest is larger than one may be.
    #[error("the config {digest} has {size}, and a config may have {limit} (limits.max_config_bytes)")]
    ConfigTooLarge {
        /// The config.
        digest: Digest,
        /// Its size.
        size: Size,
        /// How much it may have.
        limit: Size,
    },
    /// The account has as many images as it may have.
    #[error("the account has {limit} images, as many as one may have here")]
    TooManyImages {
        /// How many it may have.
        limit: u64,
    },
    /// The names of the account's images were chosen so that their keys stand beside each other in the tree.
    #[error("{limit} images of the account stand beside this one in the repository's tree; push it under another name")]
    ImagesInNode {
        /// How many may stand there.
        limit: usize,
    },
    /// The account has as many records as it may have.
    #[error("the account has {has} layers and manifests, this one adds {added}, and {limit} may be recorded")]
    TooManyRecords {
        /// How much it has.
        has: u64,
        /// How much it would get.
        added: u64,
        /// How much it may have.
        limit: u64,
    },
    /// The configuration has no tiers.
    #[error("this hold has no tiers")]
    NoTiers,
    /// A pull was not counted; the database failed, and the log says how.
    #[error("the pull could not be counted")]
    NotCounted,
    /// The crew records could not be read or written.
    #[error(transparent)]
    Crew(#[from] CrewError),
    /// The repository refused or failed.
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
