//! Errors of the room.

use super::{BlobRefError, GrowthBound};
use atproto::repo::{Cid, RepoError};
use atproto::syntax::Did;
use server::storage::StorageError;

/// Why the repository refused or failed, by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum PdsError {
    /// The repository or the record is not at the version the caller named; read it again.
    #[error("the {what} is not at the expected version")]
    InvalidSwap {
        /// `repository` or `record`.
        what: &'static str,
    },
    /// A record with this key exists.
    #[error("a record with this key exists already")]
    RecordExists,
    /// There is no record with this key.
    #[error("there is no such record")]
    RecordNotFound,
    /// The same record is named twice in one commit.
    #[error("one commit cannot write the same record twice")]
    RepeatedRecord,
    /// More writes, or more bytes, than one commit may have.
    #[error("too large: {0}")]
    TooLarge(&'static str),
    /// So many keys stand beside each other there that each commit writes and publishes a large node of the tree.
    #[error("too many records stand beside this one in the repository's tree; only the captain can add it")]
    CrowdedNode,
    /// The account has added as much as it may within an hour.
    #[error("the account has added {limit} {} within an hour, and may add no more in this one", .bound.noun())]
    TooMuchThisHour {
        /// The limit that was reached.
        bound: GrowthBound,
        /// The value of the limit.
        limit: u64,
        /// How many seconds of the hour are left.
        retry_s: u64,
    },
    /// The record cannot be stored as DAG-CBOR.
    #[error("not a valid record: {0}")]
    InvalidRecord(RepoError),
    /// The record refers to a blob that is not here, or not as it says.
    #[error(transparent)]
    BlobRef(#[from] BlobRefError),
    /// Too many blobs wait for a record; refer to some, or come back when they are gone.
    #[error("too many blobs wait for a record that refers to them")]
    TooManyBlobs,
    /// Exports that are under way keep the write-ahead log from beginning anew, and it is long; repeat later.
    #[error("exports of the repository are under way, and no other may begin until they have ended; try again later")]
    TooManyExports,
    /// The database belongs to another DID.
    #[error("the database is the repository of {0}")]
    OtherDid(Did),
    /// The newest commit was signed with another key.
    #[error("the newest commit was not signed with this key")]
    OtherKey,
    /// A block that the repository needs is not there.
    #[error("block {0} is missing")]
    MissingBlock(Cid),
    /// The stored repository is damaged.
    #[error("the stored repository is damaged: {0}")]
    Damaged(#[from] RepoError),
    /// The disk is full; nothing was changed.
    #[error(transparent)]
    NoSpace(StorageError),
    /// The database takes no writes at the moment; repeat later.
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
