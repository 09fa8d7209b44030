//! Why a command failed, in one line, and its exit code.

use std::io;
use std::path::PathBuf;

use super::{EX_CONFIG, EX_USAGE};
use crate::app::StartError;
use server::control::AdminError;
use server::settings::SettingsError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] SettingsError),
    /// The hold on disk cannot be opened.
    #[error(transparent)]
    Start(Box<StartError>),
    /// The operation was refused or failed.
    #[error(transparent)]
    Operation(#[from] AdminError),
    /// The database is locked, and nobody answers.
    #[error(
        "the hold is in use, but nobody answers at its admin socket {0}: is it starting or stopping, or is \
         HOLD_ADMIN_SOCKET not that of the running hold?"
    )]
    NobodyAnswers(PathBuf),
    /// What was typed makes no sense here.
    #[error("{0}")]
    Usage(String),
    /// Something here failed.
    #[error("{0}")]
    Failed(String),
    /// Standard output was closed by its reader.
    #[error("standard output is closed")]
    Unread,
}

impl From<StartError> for CommandError {
    fn from(error: StartError) -> Self {
        Self::Start(Box::new(error))
    }
}

impl CommandError {
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }

    /// What became of writing to standard output.
    pub(super) fn of_output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::Failed(format!("standard output cannot be written: {error}")),
        }
    }

    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => EX_CONFIG,
            Self::Start(error) => error.exit_code(),
            Self::Usage(_) => EX_USAGE,
            Self::Operation(_) | Self::NobodyAnswers(_) | Self::Failed(_) | Self::Unread => 1,
        }
    }
}
