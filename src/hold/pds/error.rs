//! Errors of the room.

use super::GrowthBound;
use atproto::lexicon::error as name;
use atproto::repo::{Cid, RepoError};
use atproto::syntax::Did;
use server::storage::StorageError;

/// Errors of the repository, one variant for each remedy of the caller.
#[derive(Debug, thiserror::Error)]
pub enum PdsError {
    /// The repository or the record is not at the version that the caller gave; read it again.
    #[error("the {what} is not at the expected version")]
    InvalidSwap {
        /// `repository` or `record`.
        what: &'static str,
    },
    /// A record with this key exists.
    #[error("a record with this key exists already")]
    RecordExists,
    /// No record has this key.
    #[error("there is no such record")]
    RecordNotFound,
    /// A record is twice in one commit.
    #[error("one commit cannot write the same record twice")]
    RepeatedRecord,
    /// A commit has too many writes or bytes, or a request asks for too many blocks.
    #[error("too large: {0}")]
    TooLarge(&'static str),
    /// So many keys are in a node of the tree that each commit beside it would write and publish a large node.
    #[error("too many records stand beside this one in the repository's tree; only the captain can add it")]
    CrowdedNode,
    /// The account has reached a limit for an hour.
    #[error("the account has added {limit} {} within an hour, and may add no more in this one", .bound.noun())]
    TooMuchThisHour {
        /// The limit that was reached.
        bound: GrowthBound,
        /// The value of the limit.
        limit: u64,
        /// Seconds until the hour ends.
        retry_s: u64,
    },
    /// The record cannot be stored as DAG-CBOR.
    #[error("not a valid record: {0}")]
    InvalidRecord(RepoError),
    /// The record refers to a blob that is not here, or differs from its reference.
    #[error(transparent)]
    BlobRef(#[from] BlobRefError),
    /// Too many blobs have no record; refer to some, or retry when they were deleted.
    #[error("too many blobs wait for a record that refers to them")]
    TooManyBlobs,
    /// Running exports keep the write-ahead log from being reset, and it is long; retry later.
    #[error("exports of the repository are under way, and no other may begin until they have ended; try again later")]
    TooManyExports,
    /// The database belongs to another DID.
    #[error("the database is the repository of {0}")]
    OtherDid(Did),
    /// The newest commit was signed with another key than the hold's.
    #[error("the newest commit was not signed with this key")]
    OtherKey,
    /// The repository does not have this block.
    #[error("block {0} is missing")]
    MissingBlock(Cid),
    /// The stored repository is damaged.
    #[error("the stored repository is damaged: {0}")]
    Damaged(#[from] RepoError),
    /// The disk is full, or only its reserve is left; nothing was changed.
    #[error(transparent)]
    NoSpace(StorageError),
    /// The database accepts no writes at the moment; retry later.
    #[error(transparent)]
    Unavailable(StorageError),
    /// The database failed.
    #[error(transparent)]
    Storage(StorageError),
}

impl PdsError {
    /// Returns the limit on growth that refused the write, if one did.
    #[must_use]
    pub fn bound(&self) -> Option<GrowthBound> {
        match self {
            Self::CrowdedNode => Some(GrowthBound::Node),
            Self::TooMuchThisHour { bound, .. } => Some(*bound),
            _ => None,
        }
    }
}

impl From<StorageError> for PdsError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NoSpace(_) => Self::NoSpace(error),
            StorageError::Unavailable(_) | StorageError::Refused(_) => Self::Unavailable(error),
            StorageError::Damaged(_) | StorageError::Failed(_) => Self::Storage(error),
        }
    }
}

/// Errors of a record's reference to a blob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobRefError {
    /// The blob was not uploaded, or not within the hour before the record. Upload it first.
    #[error("could not find blob {0}: upload it first, within the hour before the record")]
    NotFound(Cid),
    /// The record gives another media type than the upload.
    #[error("the record says that a blob is {found}, but it was uploaded as {stored}")]
    InvalidMimeType {
        /// The media type of the upload.
        stored: String,
        /// The value in the record.
        found: String,
    },
    /// The record gives another size than the upload.
    #[error("the record says that a blob has {found} bytes, but it has {stored}")]
    InvalidSize {
        /// The size of the upload in bytes.
        stored: u64,
        /// The value in the record.
        found: u64,
    },
}

impl BlobRefError {
    /// Returns the error name of the reference server.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound(_) => name::BLOB_NOT_FOUND,
            Self::InvalidMimeType { .. } => name::INVALID_MIME_TYPE,
            Self::InvalidSize { .. } => name::INVALID_SIZE,
        }
    }
}
