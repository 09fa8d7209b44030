//! The socket file through which commands reach the running hold, for as long as it runs.

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::config::Config;
use crate::hold::Hold;
use crate::operations;
use server::daemon::{self, Accepted, ConnectionLimits, Listener, listeners};

/// Commands at once; more wait in the kernel's backlog.
const CONNECTIONS: usize = 16;

/// The socket file, and where commands look for it. Both are removed when this goes.
pub(super) struct AdminSocket {
    path: PathBuf,
    link: Option<PathBuf>,
}

impl AdminSocket {
    /// Listens at the configured path. To be called with the database's lock held: what else is there is left behind.
    ///
    /// A runtime directory is known to the service only. So that a command with the same configuration finds the
    /// socket, a symbolic link beside the database leads there.
    pub(super) fn bind(config: &Config) -> Result<(Self, Listener), StartError> {
        let path = config.admin_socket.clone();
        let failed = |path: &Path, error: io::Error| StartError::AdminSocket {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let link = path.file_name().map(|name| config.database_path.with_file_name(name));
        let link = link.filter(|link| *link != path);
        if path.is_symlink() && UnixStream::connect(&path).is_err() {
            // From a run with a runtime directory that ended early.
            std::fs::remove_file(&path).map_err(|error| failed(&path, error))?;
        }
        let listener = listeners::bind_private(&path).map_err(|error| failed(&path, error))?;
        if let Some(link) = &link {
            point(link, &path).map_err(|error| failed(link, error))?;
        }
        Ok((Self { path, link }, listener))
    }
}

/// Whether the system takes the configured path for a socket: about 100 bytes.
pub(super) fn check(config: &Config) -> Result<(), StartError> {
    let path = &config.admin_socket;
    let failed = |error: io::Error| StartError::AdminSocket { path: path.clone(), reason: error.to_string() };
    SocketAddr::from_pathname(path).map(drop).map_err(failed)
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        for path in self.link.iter().chain([&self.path]) {
            // A file that stays is in nobody's way.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Makes a symbolic link at `link`, in place of an earlier one or of a socket file that was left behind.
fn point(link: &Path, target: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(link) {
        Ok(found) if found.is_symlink() || found.file_type().is_socket() => std::fs::remove_file(link)?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else is there")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::os::unix::fs::symlink(std::path::absolute(target)?, link)
}

/// Answers commands until `shutdown`; those that run may take `drain_for` to end.
pub(super) async fn serve(
    hold: Arc<Hold>,
    listener: Listener,
    shutdown: CancellationToken,
    drain_for: Duration,
) -> io::Result<()> {
    let handle = move |accepted: Accepted| operations::serve(Arc::clone(&hold), accepted.stream, accepted.drain);
    daemon::serve(vec![listener], ConnectionLimits::total(CONNECTIONS), Arc::default(), handle, shutdown, drain_for)
        .await
        .map(drop)
}
