//! Errors of commands, one line each, and their exit codes.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;

use crate::control::AdminError;
use crate::daemon::{EX_CONFIG, EX_USAGE};
use crate::settings::SettingsError;

/// Errors of commands.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] SettingsError),
    /// The operation was refused or failed.
    #[error(transparent)]
    Operation(#[from] AdminError),
    /// Another process has the database, and nobody answers at the admin socket.
    #[error(
        "the database is in use, but nobody answers at the admin socket {path}: is another command at work, is the daemon \
         starting or stopping, or is {variable} not the socket of the running daemon?"
    )]
    NobodyAnswers {
        /// The socket file.
        path: PathBuf,
        /// The environment variable that sets the path.
        variable: &'static str,
    },
    /// The daemon at the admin socket has another database than the configuration.
    #[error(
        "the daemon at {path} has another database than {database}: set {variable} to the socket of that one's daemon, or, \
         where it has none, to a path where nothing is"
    )]
    OtherDatabase {
        /// The socket file.
        path: PathBuf,
        /// The database file of the configuration.
        database: PathBuf,
        /// The environment variable that sets the path of the socket.
        variable: &'static str,
    },
    /// The combination of arguments is invalid.
    #[error("{0}")]
    Usage(String),
    /// The command failed in this process.
    #[error("{message}")]
    Failed {
        /// One line for the user, with the remedy where it is known.
        message: String,
        /// The exit code.
        exit_code: u8,
    },
    /// The reader of standard output closed it. That is no failure: the reader has seen enough.
    #[error("standard output is closed")]
    Unread,
}

impl CommandError {
    /// Creates a failure with this message and exit code 1.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { message: reason.into(), exit_code: 1 }
    }

    /// Creates a failure with an exit code of its own.
    pub fn with_exit_code(error: &impl Display, exit_code: u8) -> Self {
        Self::Failed { message: error.to_string(), exit_code }
    }

    /// Converts the error of a write to standard output.
    #[must_use]
    pub fn of_output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::failed(format!("standard output cannot be written: {error}")),
        }
    }

    /// Returns the exit code of the process.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::OtherDatabase { .. } => EX_CONFIG,
            Self::Usage(_) => EX_USAGE,
            Self::Failed { exit_code, .. } => *exit_code,
            Self::Operation(_) | Self::NobodyAnswers { .. } => 1,
            Self::Unread => 0,
        }
    }
}
