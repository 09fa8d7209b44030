//! How full a file system is, and whether this process may write to a directory.

use std::io;
use std::path::Path;

use super::StorageError;

/// The space of the file system that a file or directory is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// How many bytes this user may still write.
    pub free_bytes: u64,
    /// How many bytes there are, used or not.
    pub size_bytes: u64,
}

impl DiskSpace {
    /// Asks the system for the space where `path` is.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn of(path: &Path) -> Result<Self, StorageError> {
        let found = rustix::fs::statvfs(path).map_err(io::Error::from)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Self { free_bytes: bytes(found.f_bavail), size_bytes: bytes(found.f_blocks) })
    }
}

/// Whether this process may make files in a directory, without making one. A file system that is mounted read-only is
/// told as that.
///
/// # Errors
/// The error of the system: the directory is not there, is not this user's, or its file system is read-only.
pub fn check_writable(directory: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    Ok(access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
}
