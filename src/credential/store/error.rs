//! Errors of the store of accounts and of the keyring. No text has a secret in it.

use std::io;
use std::path::PathBuf;

/// Errors of the store of accounts.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The path is unknown: neither `XDG_CONFIG_HOME` nor `HOME` is set.
    #[error("neither XDG_CONFIG_HOME nor HOME is set: nobody says where accounts are kept")]
    NoHome,
    /// A file or folder has an unsafe owner, mode or type.
    #[error("{path} {problem}")]
    Unsafe {
        /// The file or the folder.
        path: PathBuf,
        /// The problem, and the remedy.
        problem: &'static str,
    },
    /// The content of the file is invalid.
    #[error("{0} cannot be understood: move it away, and sign in again")]
    Damaged(PathBuf),
    /// A newer version of this program wrote it.
    #[error("{0} was written by a newer version of this program")]
    Newer(PathBuf),
    /// An I/O error.
    #[error("{path} cannot be {done}: {error}")]
    Io {
        /// The file or the folder.
        path: PathBuf,
        /// The operation, as a past participle: "read", "written".
        done: &'static str,
        /// The I/O error.
        error: io::Error,
    },
    /// Another process holds the lock.
    #[error("another docker-credential-atcr is at work on {0}: try again")]
    Busy(PathBuf),
    /// The secret was stored in the keyring, which did not return or clear it.
    #[error("the secret of {user} was put into the system's keyring: {error}")]
    Keyring {
        /// The user of the secret.
        user: String,
        /// The error of the keyring.
        error: KeyringError,
    },
    /// There is no such account.
    #[error("{user} is not signed in at {registry}")]
    NoAccount {
        /// The user.
        user: String,
        /// The registry.
        registry: String,
    },
}

/// Errors of the keyring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There is no keyring.
    #[error("secret-tool, or the session's bus, is not there")]
    Absent,
    /// No answer within the time-out.
    #[error("it did not answer in time, and may be locked")]
    Silent,
    /// `secret-tool` failed, with its message.
    #[error("{0}")]
    Refused(String),
    /// The keyring has no such secret.
    #[error("it has none any more: sign in again")]
    Empty,
    /// The secret is longer than the keyring stores whole.
    #[error("it takes none of this length")]
    TooLong,
}
