//! Errors that keep the front end from starting, or stop it.

use std::path::PathBuf;

use crate::uploads::DirectoryError;
use server::console::CommandError;
use server::control::AdminSocketError;
use server::daemon::{EX_CONFIG, EndedTask};
use server::identity::SetupError;
use server::key_file::KeyFileError;
use server::sqlite::OpenError;

/// Errors that keep the front end from starting, or stop it. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be opened.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// There is no database for a command to work on.
    #[error("there is no database {0}: start the registry once, or set ATCR_DATABASE_PATH")]
    NoDatabase(PathBuf),
    /// The admin socket cannot be bound.
    #[error("{0}; set ATCR_ADMIN_SOCKET to a path this user can write")]
    AdminSocket(#[from] AdminSocketError),
    /// The socket for metrics cannot be bound.
    #[error("metrics cannot be given at {address}: {reason}; set ATCR_METRICS_ADDR to {remedy}")]
    MetricsSocket {
        /// Address, as configured.
        address: String,
        /// Error of the system.
        reason: String,
        /// The address to set instead.
        remedy: &'static str,
    },
    /// The key file cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The content of a key file is no key, and another key can take its place.
    #[error("{0}; or move it aside, and the next start makes another, with which everybody signs in again")]
    DamagedKey(KeyFileError),
    /// The resolver of names, or its certificates, cannot be set up.
    #[error(transparent)]
    Resolver(#[from] SetupError),
    /// No certificate of the system's store could be loaded.
    #[error(
        "no root certificates were found: install ca-certificates, or correct SSL_CERT_FILE and SSL_CERT_DIR where they are \
         set ({0})"
    )]
    Roots(std::io::Error),
    /// The directory of incomplete upload parts cannot be used.
    #[error(transparent)]
    Uploads(#[from] DirectoryError),
    /// The system has no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Randomness(getrandom::Error),
    /// Connections cannot be accepted.
    #[error("connections cannot be accepted: {0}")]
    Listen(std::io::Error),
    /// A commit failed with an unknown outcome; the next start recovers from the log.
    #[error("the database reported an input/output error; stopping, so that the next start recovers")]
    DatabaseFailed,
    /// A task that runs beside the requests ended; the next start runs it again.
    #[error(transparent)]
    Task(#[from] EndedTask),
}

impl StartError {
    /// Whether the error is transient: a later attempt may succeed though nobody changed anything.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_transient())
    }

    /// Returns the exit code of the process.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Database(error) if error.is_transient() => 1,
            Self::Database(_)
            | Self::NoDatabase(_)
            | Self::AdminSocket(_)
            | Self::KeyFile(_)
            | Self::DamagedKey(_)
            | Self::Resolver(_)
            | Self::Roots(_) => EX_CONFIG,
            Self::Uploads(error) if error.is_lasting() => EX_CONFIG,
            Self::Uploads(_)
            | Self::MetricsSocket { .. }
            | Self::Randomness(_)
            | Self::Listen(_)
            | Self::DatabaseFailed
            | Self::Task(_) => 1,
        }
    }
}

impl From<StartError> for CommandError {
    fn from(error: StartError) -> Self {
        Self::with_exit_code(&error, error.exit_code())
    }
}
