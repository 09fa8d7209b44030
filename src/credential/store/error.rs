//! Why accounts cannot be read or kept. No text has a secret in it.

use std::io;
use std::path::PathBuf;

/// Why accounts cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nobody says where a person's files are.
    #[error("neither XDG_CONFIG_HOME nor HOME is set: nobody says where accounts are kept")]
    NoHome,
    /// A file or folder is not as only its owner may change and read it.
    #[error("{path} {problem}")]
    Unsafe {
        /// The file or the folder.
        path: PathBuf,
        /// What is the matter, and the remedy.
        problem: &'static str,
    },
    /// The file has something else.
    #[error("{0} cannot be understood: move it away, and sign in again")]
    Damaged(PathBuf),
    /// A newer version of this program wrote it.
    #[error("{0} was written by a newer version of this program")]
    Newer(PathBuf),
    /// The system refuses.
    #[error("{path} cannot be {done}: {error}")]
    Io {
        /// The file or the folder.
        path: PathBuf,
        /// What was to be done with it.
        done: &'static str,
        /// Why.
        error: io::Error,
    },
    /// Another process holds the lock.
    #[error("another docker-credential-atcr is at work on {0}: try again")]
    Busy(PathBuf),
    /// It is in the keyring, which does not give it.
    #[error("the secret of {user} is in the system's keyring, which does not give it: {error}")]
    Keyring {
        /// Whose.
        user: String,
        /// Why.
        error: KeyringError,
    },
    /// There is no such account.
    #[error("{user} is not signed in at {registry}")]
    NoAccount {
        /// The account.
        user: String,
        /// Where.
        registry: String,
    },
}

/// Why the keyring does not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There is none.
    #[error("secret-tool, or the session's bus, is not there")]
    Absent,
    /// It said nothing in time.
    #[error("it did not answer in time, and may be locked")]
    Silent,
    /// It refused.
    #[error("{0}")]
    Refused(String),
    /// It has no such secret.
    #[error("it has none: sign in again")]
    Empty,
}
