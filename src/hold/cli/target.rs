//! The hold that a command is for: that of a running daemon, else the one on disk.

use crate::app::{self, StartError};
use crate::config::Config;
use crate::hold::Hold;
use server::console::{self, CommandError};
use server::sqlite::OpenError;

/// The place where the operation of a command runs.
pub(super) type Target = console::Target<Hold>;

/// Finds the daemon of this configuration, else opens the hold in this process.
pub(super) async fn find(config: &Config) -> Result<Target, CommandError> {
    let is_in_use = |error: &StartError| matches!(error, StartError::Database(OpenError::InUse { .. }));
    Target::find(&config.admin_socket, "HOLD_ADMIN_SOCKET", async || app::open(config).await, is_in_use).await
}
