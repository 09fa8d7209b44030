//! Errors of the repository's core. They never repeat a key, a secret or a record's content.

use super::Cid;
use crate::keys::KeyError;

/// Errors of the repository's core.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// The CID is malformed, or of a kind not used here.
    #[error("not a valid CID: {0}")]
    InvalidCid(&'static str),
    /// The bytes are not DAG-CBOR as the AT Protocol allows it.
    #[error("not valid DAG-CBOR: {0}")]
    InvalidCbor(&'static str),
    /// The JSON is not a value of the AT Protocol's data model.
    #[error("not a value of the data model: {0}")]
    InvalidJson(&'static str),
    /// The commit's signature is malformed, not in the required form, or of another key or content.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The block is not a version 3 commit.
    #[error("not a valid commit: {0}")]
    InvalidCommit(&'static str),
    /// The bytes are not a CAR version 1 file.
    #[error("not a valid CAR file: {0}")]
    InvalidCar(&'static str),
    /// The path is not that of a record in a repository.
    #[error("not a valid record path: {0}")]
    InvalidPath(&'static str),
    /// The block is not the record that its path in the tree demands.
    #[error("not a valid record: {0}")]
    InvalidRecord(&'static str),
    /// A stored block is not a valid node at its place in the tree.
    #[error("block {cid} is not a valid tree node: {reason}")]
    InvalidNode {
        /// The block.
        cid: Cid,
        /// The reason.
        reason: &'static str,
    },
    /// The source lacks a block that the tree refers to.
    #[error("block {0} is missing")]
    MissingBlock(Cid),
    /// A deletion of a record that does not exist.
    #[error("there is no record at {0}")]
    AbsentKey(String),
    /// An operation to invert contradicts the tree.
    #[error("the operation on {0} does not fit the tree")]
    OperationMismatch(String),
    /// The block source failed.
    #[error("the block source failed")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
}
