//! The lock of a storage directory.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// The exclusive lock of a storage directory; released when dropped, and when the process ends.
///
/// It is advisory, and on the directory itself: nothing has to be written, a copy of the directory has none of it, and
/// containers that share the directory on one machine share the lock.
#[derive(Debug)]
pub struct DirectoryLock {
    _directory: File,
}

impl DirectoryLock {
    /// Takes the lock of `root`, without waiting. Returns `None` when another process has it.
    ///
    /// # Errors
    /// When the directory cannot be opened, or its file system has no locks.
    pub fn try_take(root: &Path) -> io::Result<Option<Self>> {
        let directory = File::open(root)?;
        match directory.try_lock() {
            Ok(()) => Ok(Some(Self { _directory: directory })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
