//! Errors of operations and of the admin socket.

use std::io;
use std::path::PathBuf;

use crate::storage::StorageError;

/// Errors of operations, by the remedy. Each is one line.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The operation was refused, or failed, with the reason and, where it is known, the remedy.
    #[error("{0}")]
    Failed(String),
    /// The socket file exists, but this user may not connect to it.
    #[error("the admin socket {0} belongs to another user: run this command as the user of the daemon, or as root")]
    Forbidden(PathBuf),
    /// A process listens at the socket file, but does not answer as this program's daemon does.
    #[error("the daemon at {path} does not answer: {reason}; see what its log says, then repeat the command")]
    NoAnswer {
        /// The socket file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The response was cut off.
    #[error("the daemon went away before this was done: check what was done, then repeat the command")]
    Interrupted,
}

impl AdminError {
    /// Creates a refusal or failure with this message.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }
}

impl From<StorageError> for AdminError {
    fn from(error: StorageError) -> Self {
        Self::failed(error.to_string())
    }
}

/// An error of creating the socket file.
#[derive(Debug, thiserror::Error)]
#[error("the admin socket {path} cannot be made: {reason}")]
pub struct AdminSocketError {
    /// The socket file, or the link that leads to it.
    pub path: PathBuf,
    /// The I/O error.
    pub reason: io::Error,
}
