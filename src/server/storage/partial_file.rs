//! A file that gets its name when it is whole.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;

use super::sync_directory_of;

/// A file of mode 0600 that is being written as `TARGET.part`. Removed when dropped before it is [published](Self::publish);
/// what a killed process left is written over.
///
/// It is locked while it is open, so that two processes never write one file. Where the file system has no locks, they do.
#[derive(Debug)]
pub struct PartialFile {
    file: File,
    path: PathBuf,
    target: PathBuf,
    is_published: bool,
}

impl PartialFile {
    /// Returns the path under which `target` is written.
    #[must_use]
    pub fn path_of(target: &Path) -> PathBuf {
        target.with_added_extension("part")
    }

    /// Creates the file of `target`, empty.
    ///
    /// # Errors
    /// When it cannot be created, and [`ErrorKind::ResourceBusy`](io::ErrorKind::ResourceBusy) while another process writes
    /// it.
    pub fn create(target: &Path) -> io::Result<Self> {
        let path = Self::path_of(target);
        let mut file = open(OpenOptions::new().create(true), &path)?;
        lock(&file, &path)?;
        if !is_own(&file)? {
            // In a directory of many users somebody else may have put it there, to read what is written.
            std::fs::remove_file(&path)?;
            file = open(OpenOptions::new().create_new(true), &path)?;
            lock(&file, &path)?;
        }
        let partial = Self { file, path, target: target.to_owned(), is_published: false };
        partial.file.set_permissions(Permissions::from_mode(0o600))?;
        partial.file.set_len(0)?;
        Ok(partial)
    }

    /// Returns the path of the file until it is published.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the open file.
    #[must_use]
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Syncs the file to disk, and gives it the name of its target, in place of an earlier file.
    ///
    /// # Errors
    /// When the system reports an error.
    pub fn publish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, &self.target)?;
        self.is_published = true;
        sync_directory_of(&self.target)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.is_published {
            // Why it was not published is the error that is reported.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens the file to be written, if it is one and no symbolic link; a pipe without a reader is an error at once.
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.write(true).mode(0o600).custom_flags(flags.bits().cast_signed()).open(path)
}

fn lock(file: &File, path: &Path) -> io::Result<()> {
    let is_locked = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    // The process that had the lock may have published or removed the file since it was opened here.
    if is_locked || !is_at(file, path)? {
        let busy = format!("another process is writing {}", path.display());
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, busy));
    }
    Ok(())
}

/// Whether the file is this user's, and under no other name.
fn is_own(file: &File) -> io::Result<bool> {
    let found = file.metadata()?;
    Ok(found.is_file() && found.uid() == geteuid().as_raw() && found.nlink() == 1)
}

/// Whether `path` is the name of the open file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn one_process_at_a_time_writes_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("hold.car");
        std::fs::write(PartialFile::path_of(&target), "of a process that was killed").unwrap();
        let mut first = PartialFile::create(&target).unwrap();
        first.file().write_all(b"whole").unwrap();
        let busy = PartialFile::create(&target).unwrap_err();
        assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
        first.publish().unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");
        assert_eq!(target.metadata().unwrap().mode() & 0o777, 0o600);

        drop(PartialFile::create(&target).unwrap());
        assert!(!PartialFile::path_of(&target).exists());
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");
    }

    #[test]
    fn what_has_another_name_or_is_no_file_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let (target, other) = (directory.path().join("hold.car"), directory.path().join("other"));
        std::fs::write(&other, "of another user").unwrap();
        std::fs::hard_link(&other, PartialFile::path_of(&target)).unwrap();
        let mut partial = PartialFile::create(&target).unwrap();
        partial.file().write_all(b"whole").unwrap();
        partial.publish().unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");
        std::os::unix::fs::symlink(&other, PartialFile::path_of(&target)).unwrap();
        assert!(PartialFile::create(&target).is_err());
        assert_eq!(std::fs::read(&other).unwrap(), b"of another user");
    }

    #[test]
    fn a_file_that_was_published_after_it_was_opened_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let file = File::create(&path).unwrap();
        assert!(is_at(&file, &path).unwrap());
        std::fs::rename(&path, directory.path().join("published")).unwrap();
        assert!(!is_at(&file, &path).unwrap());
        std::fs::write(&path, "of another process").unwrap();
        assert!(!is_at(&file, &path).unwrap());
    }
}
