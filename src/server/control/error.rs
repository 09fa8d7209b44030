//! Why an operation was not done, and why there is no admin socket.

use std::io;
use std::path::PathBuf;

use crate::storage::StorageError;

/// Why an operation was not done, by what the operator can do. Each is one line.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The operation was refused, or failed. The sentence says why, and what to do where that is known.
    #[error("{0}")]
    Failed(String),
    /// The socket file is there, and this user may not open it.
    #[error("the admin socket {0} belongs to another user: run this command as the user of the daemon, or as root")]
    Forbidden(PathBuf),
    /// Somebody listens at the socket file, but does not answer as this program's daemon does.
    #[error("the daemon at {path} does not answer: {reason}")]
    NoAnswer {
        /// The socket file.
        path: PathBuf,
        /// What happened instead.
        reason: String,
    },
    /// The answer broke off before its end.
    #[error("the daemon went away before this was done: check what was done, then repeat the command")]
    Interrupted,
}

impl AdminError {
    /// A refusal or a failure in these words.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }
}

impl From<StorageError> for AdminError {
    fn from(error: StorageError) -> Self {
        Self::failed(error.to_string())
    }
}

/// The socket file cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the admin socket {path} cannot be made: {reason}")]
pub struct AdminSocketError {
    /// The socket file, or the link that leads to it.
    pub path: PathBuf,
    /// What the system said.
    pub reason: io::Error,
}
