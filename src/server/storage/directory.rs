//! The directory of a file.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Returns the directory of a file: for a bare name the working directory.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Syncs the directory of `path` to disk: without it a new name, or a file that took the place of another, may be gone after
/// a power cut. A directory in which this user may write, but not read, is left to the system.
///
/// # Errors
/// When the directory cannot be synced.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    match File::open(directory_of(path)) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        directory => directory?.sync_all(),
    }
}
