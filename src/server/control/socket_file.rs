//! The socket file of the running daemon, and the link by which commands find it.

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::AdminSocketError;
use crate::daemon::{Listener, listeners};

/// The socket file and the link to it. Dropping this removes both.
pub struct AdminSocket {
    path: PathBuf,
    link: Option<PathBuf>,
}

impl AdminSocket {
    /// Listens at `path`. The caller must hold the lock of the program's state: then no other daemon listens there, and
    /// a file at `path` is stale.
    ///
    /// A runtime directory is known to the service only. So that a command with the same configuration finds the
    /// socket, a symbolic link of the same name is created beside the file `state` (the database).
    ///
    /// # Errors
    /// [`AdminSocketError`] when the file or the link cannot be made.
    pub fn bind(path: &Path, state: &Path) -> Result<(Self, Listener), AdminSocketError> {
        let failed = |path: &Path, reason: io::Error| AdminSocketError { path: path.to_owned(), reason };
        let link = path.file_name().map(|name| state.with_file_name(name));
        let link = link.filter(|link| link != path);
        if path.is_symlink() && UnixStream::connect(path).is_err() {
            // Left by a run with a runtime directory that was killed.
            std::fs::remove_file(path).map_err(|error| failed(path, error))?;
        }
        let listener = listeners::bind_private(path).map_err(|error| failed(path, error))?;
        if let Some(link) = &link {
            point(link, path).map_err(|error| failed(link, error))?;
        }
        Ok((Self { path: path.to_owned(), link }, listener))
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        for path in self.link.iter().chain([&self.path]) {
            // A file that stays is replaced at the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Creates a symbolic link at `link`, in place of an earlier one or of a stale socket file.
fn point(link: &Path, target: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(link) {
        Ok(found) if found.is_symlink() || found.file_type().is_socket() => std::fs::remove_file(link)?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else is there")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::os::unix::fs::symlink(std::path::absolute(target)?, link)
}
