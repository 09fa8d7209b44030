//! The registry that a command works on: that of a running daemon, else that on disk.

use crate::app::{self, StartError};
use crate::config::Config;
use crate::oci::OciState;
use server::console::{self, CommandError, DaemonPaths};
use server::sqlite::OpenError;

/// The place where a command's operation runs: the daemon or this process.
pub(super) type Target = console::Target<OciState>;

/// Finds the daemon of this configuration, else opens the registry in this process.
pub(super) async fn find(config: &Config) -> Result<Target, CommandError> {
    let is_in_use = |error: &StartError| matches!(error, StartError::Database(OpenError::InUse { .. }));
    let (admin_socket, database) = (&*config.admin_socket, &*config.database_path);
    let paths = DaemonPaths { admin_socket, variable: "ATCR_ADMIN_SOCKET", database };
    Target::find(paths, async || app::open(config), is_in_use).await
}
