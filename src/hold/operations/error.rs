//! Why an operation was not done.

use std::path::PathBuf;

/// Errors of the admin room, named by what the operator can do. Each is one line.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The hold refused, or failed. The sentence says why, and what to do where that is known.
    #[error("{0}")]
    Failed(String),
    /// The socket file is there, and this user may not open it.
    #[error("the admin socket {0} belongs to another user: run this command as the user of the hold, or as root")]
    Forbidden(PathBuf),
    /// Somebody holds the other end, but does not answer as a hold does.
    #[error("the hold at {path} does not answer: {reason}")]
    NoAnswer {
        /// The socket file.
        path: PathBuf,
        /// What happened instead.
        reason: String,
    },
    /// The answer broke off before its end.
    #[error("the running hold went away before this was done: look what came of it, then repeat")]
    Interrupted,
}

impl AdminError {
    /// A refusal or a failure in these words.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }
}
