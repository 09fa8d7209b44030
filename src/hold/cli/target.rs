//! The hold that a command is for: that of a running daemon, else the one on disk.

use crate::app::{self, StartError, StorageUse};
use crate::config::Config;
use crate::hold::Hold;
use server::console::{self, CommandError, DaemonPaths};
use server::sqlite::OpenError;

/// The place where the operation of a command runs.
pub(super) type Target = console::Target<Hold>;

/// Finds the daemon of this configuration, else opens the hold in this process for `purpose`.
pub(super) async fn find(config: &Config, purpose: StorageUse) -> Result<Target, CommandError> {
    let is_in_use = |error: &StartError| matches!(error, StartError::Database(OpenError::InUse { .. }));
    Target::find(paths(config), async || app::open(config, purpose).await, is_in_use).await
}

/// Returns the paths by which the daemon of this configuration is found.
pub(super) fn paths(config: &Config) -> DaemonPaths<'_> {
    DaemonPaths { admin_socket: &config.admin_socket, variable: "HOLD_ADMIN_SOCKET", database: &config.database_path }
}
