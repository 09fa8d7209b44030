//! Errors of starting and running the hold.

use std::path::{Path, PathBuf};

use crate::blobs::{OpenBlobsError as BlobsError, PresenceError};
use crate::crew::CrewError;
use crate::objects::ProbeError;
use crate::pds::PdsError;
use crate::schema::SCHEMA;
use server::console::CommandError;
use server::control::AdminSocketError;
use server::daemon::{EX_CONFIG, EndedTask};
use server::identity::SetupError;
use server::key_file::KeyFileError;
use server::sqlite::{DamagedDatabase, OpenError};
use server::storage::StorageError;

/// Errors of starting and running the hold. Each is one line with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The key file cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// There is a repository, but the key that signs it is missing.
    #[error(
        "signing key {0} is missing, but the database holds a signed repository, and neither HOLD_SIGNING_KEY nor a \
         credential of this name is set: restore the key from a backup, run this with the service's credentials, or see \
         identity new-key --help if the key is lost (nothing was changed)"
    )]
    KeyMissing(PathBuf),
    /// A new key is requested, no key was found, and the old one was not declared lost.
    #[error(
        "no signing key was found: there is no file {0}, and none of HOLD_SIGNING_KEY, HOLD_SIGNING_KEY_FILE and the \
         credential HOLD_SIGNING_KEY is set here; the service may have one that this command does not see (systemctl cat \
         atcr-hold). If the old key is lost, say so: identity new-key --yes-the-old-key-is-lost (nothing was changed)"
    )]
    KeyNotFound(PathBuf),
    /// A new key is requested, and there is a key file with another key than the repository's, which was not declared
    /// lost.
    #[error(
        "the key in {0} is not the one that signed the repository, and none of HOLD_SIGNING_KEY, HOLD_SIGNING_KEY_FILE and \
         the credential HOLD_SIGNING_KEY is set here: the service may have the right one (systemctl cat atcr-hold). If that is \
         lost, and this one is to take its place, say so: identity new-key --yes-the-old-key-is-lost (nothing was changed)"
    )]
    KeyFileIsAnother(PathBuf),
    /// The signing key of the configuration is malformed.
    #[error(
        "database.signing_key (HOLD_SIGNING_KEY) is no key: it must be 64 hexadecimal digits (nothing was changed)"
    )]
    GivenKey,
    /// The signing key is not the one that signed the repository, or the DID is another one.
    #[error("{0}")]
    NotOurs(String),
    /// A new key is requested, but the key in use is still in place.
    #[error("the signing key {0} is the one that signs the repository: move it aside if another is to take its place")]
    KeyInUse(String),
    /// A new key is requested, but there is no repository yet.
    #[error("there is no repository yet, which another key could take over: start the hold once")]
    NoRepository,
    /// A command found no state to work on.
    #[error("there is no database {0}: start the hold once, or set HOLD_DATABASE_PATH")]
    NoDatabase(PathBuf),
    /// The admin socket cannot be created.
    #[error("{0}; set HOLD_ADMIN_SOCKET to a path this user can write")]
    AdminSocket(#[from] AdminSocketError),
    /// The socket for metrics cannot be opened.
    #[error("metrics cannot be given at {address}: {reason}; set HOLD_METRICS_ADDR to {remedy}")]
    MetricsSocket {
        /// The address in the configuration.
        address: String,
        /// The text of the I/O error.
        reason: String,
        /// The address to set instead.
        remedy: &'static str,
    },
    /// The storage directory cannot be used.
    #[error(transparent)]
    Blobs(BlobsError),
    /// The storage is not the hold's own.
    #[error(transparent)]
    Presence(#[from] PresenceError),
    /// Another process has the lock of the storage directory.
    #[error(
        "the storage {0} is in use by another atcr-hold, which has another database: a copy, such as a backup, does not know \
         what is there by now; run this where that one's database is, by its admin socket (HOLD_ADMIN_SOCKET), or stop it \
         (nothing was changed)"
    )]
    StorageInUse(String),
    /// The hold answers at one of its addresses, while a command is to change the bucket.
    #[error(
        "a hold answers at {url}, and its database is not {database}: a copy, such as a backup, does not know what is in \
         {storage} by now; run this where that hold runs, by its admin socket (HOLD_ADMIN_SOCKET), or stop it (nothing was \
         changed)"
    )]
    StorageServed {
        /// The address.
        url: String,
        /// The bucket.
        storage: String,
        /// The database of the command.
        database: PathBuf,
    },
    /// The bucket cannot be used.
    #[error(transparent)]
    Bucket(ProbeError),
    /// The resolver cannot be created from its settings, or without root certificates.
    #[error(transparent)]
    Resolver(#[from] SetupError),
    /// The records cannot be reconciled with the configuration.
    #[error("captain, crew and profile cannot follow the configuration: {0}")]
    Crew(CrewError),
    /// The repository cannot be read.
    #[error("the repository cannot be read: {0}")]
    Pds(PdsError),
    /// The database failed.
    #[error("the database failed: {0}")]
    Storage(#[from] StorageError),
    /// The system provides no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Randomness(#[from] getrandom::Error),
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
    /// Adds the path of the database to an error that says it is damaged.
    pub(super) fn of_database(self, path: &Path) -> Self {
        match self {
            Self::Storage(StorageError::Damaged(source)) => {
                let of_sqlite = source.downcast_ref().map(DamagedDatabase::reason);
                let reason = of_sqlite.unwrap_or_else(|| source.to_string());
                Self::Database(OpenError::Damaged { path: path.to_owned(), program: SCHEMA.program, reason })
            }
            other => other,
        }
    }

    /// Whether the error is transient: a later attempt may succeed though nobody changed anything.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_transient())
            || matches!(self, Self::Bucket(ProbeError::Unavailable(_)))
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
            | Self::KeyMissing(_)
            | Self::KeyNotFound(_)
            | Self::KeyFileIsAnother(_)
            | Self::KeyInUse(_)
            | Self::NoRepository
            | Self::NotOurs(_)
            | Self::Resolver(_) => EX_CONFIG,
            Self::GivenKey
            | Self::StorageServed { .. }
            | Self::Blobs(BlobsError::Root { .. } | BlobsError::Unusable { .. })
            | Self::Bucket(ProbeError::Settings(_)) => EX_CONFIG,
            Self::Storage(StorageError::Refused(_))
            | Self::Presence(
                PresenceError::Missing { .. }
                | PresenceError::Left { .. }
                | PresenceError::Foreign { .. }
                | PresenceError::NewDatabase { .. }
                | PresenceError::Marker { error: StorageError::Refused(_), .. }
                | PresenceError::Storage(StorageError::Refused(_)),
            ) => EX_CONFIG,
            // The daemon that has it may be stopping.
            Self::StorageInUse(_)
            | Self::Blobs(BlobsError::Storage(_))
            | Self::Presence(PresenceError::Marker { .. } | PresenceError::Storage(_))
            | Self::Bucket(ProbeError::Unavailable(_))
            | Self::Crew(_)
            | Self::Pds(_)
            | Self::Storage(_)
            | Self::Randomness(_)
            | Self::Listen(_)
            | Self::MetricsSocket { .. }
            | Self::DatabaseFailed
            | Self::Task(_) => 1,
        }
    }
}

impl From<PdsError> for StartError {
    fn from(error: PdsError) -> Self {
        match error {
            PdsError::OtherDid(did) => {
                let remedy = if did.is_plc() {
                    "set HOLD_DID to it"
                } else {
                    "set HOLD_PUBLIC_URL back to its address, without HOLD_DID"
                };
                Self::NotOurs(format!(
                    "the database is the repository of {did}: {remedy}, or use another database (nothing was changed)"
                ))
            }
            PdsError::OtherKey => Self::NotOurs(
                "the signing key is not the one that signed the repository: restore the right key, run this with the \
                 service's credentials, or see identity new-key --help if the key is lost (nothing was changed)"
                    .into(),
            ),
            PdsError::Storage(error) => Self::Storage(error),
            error @ (PdsError::Damaged(_) | PdsError::MissingBlock(_)) => {
                Self::Storage(StorageError::Damaged(error.into()))
            }
            other => Self::Pds(other),
        }
    }
}

impl From<CrewError> for StartError {
    fn from(error: CrewError) -> Self {
        match error {
            CrewError::Pds(error) => error.into(),
            other => Self::Crew(other),
        }
    }
}

impl From<BlobsError> for StartError {
    fn from(error: BlobsError) -> Self {
        match error {
            BlobsError::Storage(error) => Self::Storage(error),
            other => Self::Blobs(other),
        }
    }
}

impl From<StartError> for CommandError {
    fn from(error: StartError) -> Self {
        let exit_code = match &error {
            // For a command it is the wrong database.
            StartError::StorageInUse(_) => EX_CONFIG,
            error => error.exit_code(),
        };
        Self::with_exit_code(&error, exit_code)
    }
}
