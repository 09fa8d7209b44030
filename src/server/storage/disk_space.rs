//! The free space of a file system, and whether this process may write to a directory.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::StorageError;
use super::reservation::promised_bytes;
use crate::metrics::{MetricKind, Text};

/// The space of the file system that a file or directory is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Size of the file system.
    pub size_bytes: u64,
    /// Part of the free bytes reserved by writers of this process that have not used them yet.
    pub promised_bytes: u64,
}

impl DiskSpace {
    /// Returns the space of the file system of `path`.
    ///
    /// # Errors
    /// When the system reports an error.
    pub fn of(path: &Path) -> Result<Self, StorageError> {
        let found = rustix::fs::statvfs(path).map_err(io::Error::from)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        let promised_bytes = promised_bytes(std::fs::metadata(path)?.dev());
        Ok(Self { free_bytes: bytes(found.f_bavail), size_bytes: bytes(found.f_blocks), promised_bytes })
    }

    /// Writes the metrics of several file systems, each with the label of its content; `of` describes the contents in
    /// the help texts, and names begin with `program`.
    pub fn show(text: &mut Text, program: &str, of: &str, spaces: &[(&str, Option<Self>)]) {
        let mut show = |rest: &str, help: &str, bytes: fn(&Self) -> u64| {
            let mut family = text.family(&format!("{program}_{rest}"), MetricKind::Gauge, help);
            for (of, space) in spaces {
                if let Some(space) = space {
                    family.value(&[("of", of)], bytes(space));
                }
            }
        };
        show("filesystem_free_bytes", &format!("Room left on the file system of {of}."), |space| space.free_bytes);
        let help =
            format!("How much of it is promised to writers that have not used it yet, on the file system of {of}.");
        show("filesystem_promised_bytes", &help, |space| space.promised_bytes);
        show("filesystem_size_bytes", &format!("Size of the file system of {of}."), |space| space.size_bytes);
    }
}

/// Logs a warning where the file system of `directory`, which has the `of`, is full: fewer than `reserve_bytes` are free, or no
/// file can be made. For the start of a program that refuses uploads then.
pub fn warn_if_full(directory: &Path, of: &str, reserve_bytes: u64) {
    let found = match rustix::fs::statvfs(directory) {
        Ok(found) => found,
        Err(error) => {
            return tracing::warn!(%error, "how much room the file system of the {of} has is unknown");
        }
    };
    let free_bytes = found.f_bavail.saturating_mul(found.f_frsize);
    if free_bytes < reserve_bytes {
        tracing::warn!(free_bytes, reserve_bytes, "the file system of the {of} is full: uploads are refused");
    } else if found.f_files > 0 && found.f_favail == 0 {
        // Some file systems have no such limit, and report 0.
        tracing::warn!("the file system of the {of} has no inodes left: uploads are refused");
    }
}

/// Bytes written to find out whether more may be written: some blocks of any file system.
const TRIED_BYTES: usize = 64 << 10;

/// Checks that a file system, or the user's quota on it, still accepts bytes: writes some to `path`, a temporary file
/// that is removed again.
///
/// # Errors
/// [`StorageError::NoSpace`] when it does not; any other when that cannot be tried.
pub fn check_not_full(path: &Path) -> Result<(), StorageError> {
    let tried = File::create(path).and_then(|mut file| {
        file.write_all(&[0; TRIED_BYTES])?;
        file.sync_data()
    });
    let removed = std::fs::remove_file(path);
    tried?;
    Ok(removed?)
}

/// Checks that this process may create files in a directory, without creating one. A read-only file system is reported
/// as such.
///
/// # Errors
/// The error of the system: the directory does not exist, is not this user's, or its file system is read-only.
pub fn check_writable(directory: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    Ok(access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
}
