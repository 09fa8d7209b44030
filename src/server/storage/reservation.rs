//! Space of a file system reserved for writers that have not used it yet: one account for all of them, so that
//! concurrent writers cannot each count on the same free bytes.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use super::StorageError;
use crate::nonpoison::{Mutex, MutexGuard};

/// The reserved space of each file system, by its device number: several rooms write to one.
static PROMISED: Mutex<BTreeMap<u64, Need>> = Mutex::new(BTreeMap::new());

/// Inodes left free where a file system has a fixed number of them: a 64th, and 1,024 at most, for the database's files
/// and for directories of blobs that are stored already.
const MAX_KEPT_FILES: u64 = 1024;

/// The space that a writer needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Bytes.
    pub bytes: u64,
    /// Number of files and directories.
    pub files: u64,
}

/// The file system of a directory; cheap to clone.
#[derive(Clone, Debug)]
pub struct Disk {
    directory: Arc<Path>,
    device: u64,
}

impl Disk {
    /// Finds the file system of `directory`.
    ///
    /// # Errors
    /// When the metadata of the directory cannot be read.
    pub fn of(directory: &Path) -> io::Result<Self> {
        Ok(Self { directory: directory.into(), device: directory.metadata()?.dev() })
    }

    /// Reserves space for a writer; `kept_bytes` are left free beside it. Blocks for as long as the system takes to
    /// report the free space.
    ///
    /// # Errors
    /// [`StorageError::NoSpace`] when there is less, minus other reservations; any other when the system reports an
    /// error.
    pub fn reserve(&self, need: Need, kept_bytes: u64) -> Result<Reservation, StorageError> {
        Reservation::make(&self.directory, self.device, need, kept_bytes)
    }
}

/// Returns the reserved bytes of the file system with this device number.
pub(super) fn promised_bytes(device: u64) -> u64 {
    promised().get(&device).map_or(0, |need| need.bytes)
}

/// Space reserved for one writer. Dropping it releases what is left: the file system itself counts what was written.
#[derive(Debug)]
pub struct Reservation {
    device: u64,
    left: Need,
}

impl Reservation {
    /// Reserves `need` on the file system of `directory`, unless less than `kept_bytes` would be left then.
    fn make(directory: &Path, device: u64, need: Need, kept_bytes: u64) -> Result<Self, StorageError> {
        // Read under the lock, so that two writers cannot reserve the same space.
        let mut all = promised();
        let found = rustix::fs::statvfs(directory).map_err(io::Error::from)?;
        let promised = all.entry(device).or_default();
        let wanted = promised.bytes.saturating_add(need.bytes).saturating_add(kept_bytes);
        if found.f_bavail.saturating_mul(found.f_frsize) < wanted {
            return Err(StorageError::NoSpace("the bytes that are kept free would be used up".into()));
        }
        // Some file systems create inodes on demand, and report 0.
        let kept_files = MAX_KEPT_FILES.min(found.f_files / 64);
        let wanted = promised.files.saturating_add(need.files).saturating_add(kept_files);
        if found.f_files > 0 && need.files > 0 && found.f_favail < wanted {
            return Err(StorageError::NoSpace("the inodes that are kept free would be used up".into()));
        }
        promised.bytes += need.bytes;
        promised.files += need.files;
        Ok(Self { device, left: need })
    }

    /// Releases the reservation of bytes that are written now.
    pub fn written(&mut self, bytes: u64) {
        let bytes = bytes.min(self.left.bytes);
        self.left.bytes -= bytes;
        if let Some(promised) = promised().get_mut(&self.device) {
            promised.bytes = promised.bytes.saturating_sub(bytes);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(promised) = promised().get_mut(&self.device) {
            promised.bytes = promised.bytes.saturating_sub(self.left.bytes);
            promised.files = promised.files.saturating_sub(self.left.files);
        }
    }
}

fn promised() -> MutexGuard<'static, BTreeMap<u64, Need>> {
    PROMISED.lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that no other test has.
    const DEVICE: u64 = u64::MAX;

    #[test]
    fn what_is_promised_to_one_is_not_promised_to_another() {
        let here = std::env::temp_dir();
        let free = {
            let found = rustix::fs::statvfs(&here).unwrap();
            found.f_bavail * found.f_frsize
        };
        // Other tests write here too.
        let two_thirds = Need { bytes: free / 3 * 2, files: 0 };
        let mut first = Reservation::make(&here, DEVICE, two_thirds, 0).unwrap();
        let second = Reservation::make(&here, DEVICE, two_thirds, 0);
        assert!(matches!(second, Err(StorageError::NoSpace(_))), "{second:?}");
        first.written(free / 3 * 2);
        drop(Reservation::make(&here, DEVICE, two_thirds, 0).unwrap());
        drop(first);
        assert_eq!(promised().get(&DEVICE), Some(&Need::default()));
        let refused = Reservation::make(&here, DEVICE, Need { bytes: 1, files: 0 }, free.saturating_mul(2));
        assert!(matches!(refused, Err(StorageError::NoSpace(_))), "what is kept is not promised");
        assert_eq!(promised().get(&DEVICE), Some(&Need::default()), "a refusal promises nothing");
    }
}
