//! What can go wrong in the repository's core. It never repeats a key, a secret or a record's content.

use super::Cid;
use crate::keys::KeyError;

/// Why bytes, text or an operation was refused.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// Not a CID of the kind used here.
    #[error("not a valid CID: {0}")]
    InvalidCid(&'static str),
    /// Not DAG-CBOR as the AT Protocol allows it.
    #[error("not valid DAG-CBOR: {0}")]
    InvalidCbor(&'static str),
    /// JSON that has no place in the AT Protocol's data model.
    #[error("not a value of the data model: {0}")]
    InvalidJson(&'static str),
    /// The commit's signature is malformed, not in the required form, or of another key or content.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Not a version 3 commit.
    #[error("not a valid commit: {0}")]
    InvalidCommit(&'static str),
    /// Not a CAR version 1 file.
    #[error("not a valid CAR file: {0}")]
    InvalidCar(&'static str),
    /// Not a record's path in a repository.
    #[error("not a valid record path: {0}")]
    InvalidPath(&'static str),
    /// Not the record that its place in the tree says.
    #[error("not a valid record: {0}")]
    InvalidRecord(&'static str),
    /// A stored block is not the tree node that it should be.
    #[error("block {cid} is not a valid tree node: {reason}")]
    InvalidNode {
        /// The block.
        cid: Cid,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The tree names a block that the source does not have.
    #[error("block {0} is missing")]
    MissingBlock(Cid),
    /// A delete of a record that does not exist.
    #[error("there is no record at {0}")]
    AbsentKey(String),
    /// An operation to undo says something else than the tree.
    #[error("the operation on {0} does not fit the tree")]
    OperationMismatch(String),
    /// The block source failed.
    #[error("the block source failed")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
}
