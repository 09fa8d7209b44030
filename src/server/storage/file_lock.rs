//! Locks of files between processes.

use std::fs::{File, TryLockError};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(20);

/// Takes the lock of a file, which ends with the file. Waits up to `patience`, and blocks the thread meanwhile.
///
/// # Errors
/// [`TryLockError::WouldBlock`] when another process has it still; the error of the system.
pub fn lock_within(file: &File, patience: Duration) -> Result<(), TryLockError> {
    let deadline = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(INTERVAL),
            outcome => return outcome,
        }
    }
}
