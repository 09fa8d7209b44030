//! Staged files, and their publication as objects. All functions block: call them on the blocking pool.
//!
//! The order that survives a power cut: write, fsync the file, rename it to its key, fsync every directory of its path.
//! After a failed fsync the data on disk is unknown, and the fsync must not be repeated: [`SyncError::Unknown`].

use std::collections::{BTreeSet, HashSet};
use std::error::Error as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use server::nonpoison::{Mutex, MutexGuard};
use server::storage::{Disk, DiskSpace, Need, Reservation, StorageError, give_to_owner_of};

/// Prefix of the folders of migrations into this storage, one for each: what a killed one still writes harms no other.
/// The hold whose storage it is knows nothing of them, and may run meanwhile.
pub const MIGRATION_FOLDER: &str = "migration-";
/// Time after which nobody goes on with what a migration has begun, in microseconds: a day. A copy of the largest blob takes
/// less.
pub const MIGRATION_LEFT_AFTER_US: u64 = 86_400_000_000;
/// The name of the file that is written as a probe at start.
const PROBE: &str = "atcr-hold-probe";
/// Mode of objects: the group may read them, such as a reverse proxy; other local users may not.
const FILE_MODE: u32 = 0o640;
const DIRECTORY_MODE: u32 = 0o750;

/// Staged files below a directory, on the same file system as the objects; cheap to clone.
#[derive(Clone)]
pub struct Staging {
    root: Arc<Path>,
    directory: Arc<Path>,
    disk: Disk,
    /// Directories of objects whose names this process has synced to disk.
    recorded: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Staging {
    /// Opens the staging directory `root/name`, which is made with mode 0700 if it is missing.
    ///
    /// # Errors
    /// When `root` does not exist or cannot be written.
    pub fn open(root: &Path, name: &str) -> Result<Self, StorageError> {
        let directory = root.join(name);
        let made = make_directory(&directory, 0o700).and_then(|()| give_to_owner_of(root, &directory));
        made.map_err(|error| io::Error::new(error.kind(), format!("its folder {name}: {error}")))?;
        sync_directory(root)?;
        let disk = Disk::of(&directory)?;
        Ok(Self { root: root.into(), directory: directory.into(), disk, recorded: Arc::default() })
    }

    /// Tries the operations that every upload needs: to write a file, to sync it, and to move it into each of `folders`
    /// that exists. Leaves no file behind.
    ///
    /// # Errors
    /// One line that says which folder cannot be used and the reason.
    pub fn probe(&self, folders: &[String]) -> Result<(), String> {
        let outcome = match self.write_probe() {
            // A full disk still has blobs to read.
            Err(StorageError::NoSpace(_)) => Ok(()),
            Err(error) => Err(format!("a file cannot be written and recorded on disk there: {}", words(&error))),
            Ok(()) => folders.iter().try_for_each(|folder| self.move_probe(folder)),
        };
        let _ = self.remove(PROBE);
        outcome
    }

    fn write_probe(&self) -> Result<(), StorageError> {
        let file = self.open_file(PROBE)?;
        file.write_at(b"atcr-hold was here", 0)?;
        file.sync()?;
        Ok(sync_directory(&self.directory)?)
    }

    fn move_probe(&self, folder: &str) -> Result<(), String> {
        let (here, there) = (self.directory.join(PROBE), self.root.join(folder).join(PROBE));
        if !self.root.join(folder).is_dir() {
            return Ok(());
        }
        let moved = std::fs::rename(&here, &there).and_then(|()| std::fs::rename(&there, &here));
        moved.map_err(|error| match error.kind() {
            ErrorKind::CrossesDevices => format!(
                "its folder {folder} is on another file system (a symbolic link or a mount), and a finished upload cannot \
                 be renamed into it: link or mount the storage directory itself"
            ),
            _ => format!("files cannot be renamed into its folder {folder}: {error}"),
        })
    }

    /// Reserves space for a writer that is about to use it; `kept_bytes` stay free beside it.
    ///
    /// # Errors
    /// [`StorageError::NoSpace`] when less is free, counting other reservations; or the system call fails.
    pub fn reserve(&self, need: Need, kept_bytes: u64) -> Result<Reservation, StorageError> {
        self.disk.reserve(need, kept_bytes)
    }

    /// Returns the space on the file system.
    ///
    /// # Errors
    /// When the system call fails.
    pub fn disk_space(&self) -> Result<DiskSpace, StorageError> {
        DiskSpace::of(&self.directory)
    }

    /// Returns the names of the entries of the staging directory, or of one of its folders.
    ///
    /// # Errors
    /// When the directory cannot be read. A missing folder counts as empty.
    pub fn names(&self, folder: Option<&str>) -> Result<Vec<String>, StorageError> {
        let path = folder.map_or_else(|| self.directory.to_path_buf(), |name| self.directory.join(name));
        let entries = match std::fs::read_dir(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    /// Makes a folder and syncs its parent. An existing folder is left as it is.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make_folder(&self, folder: &str) -> Result<(), StorageError> {
        let path = self.directory.join(folder);
        make_directory(&path, 0o700)?;
        give_to_owner_of(&self.directory, &path)?;
        Ok(sync_directory(&self.directory)?)
    }

    /// Syncs the entries of a folder to disk.
    ///
    /// # Errors
    /// [`SyncError`], which tells whether the call may be repeated.
    pub fn sync_folder(&self, folder: &str) -> Result<(), SyncError> {
        sync_directory(&self.directory.join(folder))
    }

    /// Opens a staged file for reading and writing; makes it if it is missing.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_file(&self, name: &str) -> Result<StagedFile, StorageError> {
        let path = self.directory.join(name);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(&path)?;
        give_to_owner_of(&self.directory, &path)?;
        Ok(StagedFile { file })
    }

    /// Opens a staged file that exists; `None` when it does not.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn find_file(&self, name: &str) -> Result<Option<StagedFile>, StorageError> {
        match OpenOptions::new().read(true).write(true).open(self.directory.join(name)) {
            Ok(file) => Ok(Some(StagedFile { file })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a file, or a folder with its content; an absent one counts as removed.
    ///
    /// # Errors
    /// When something is left.
    pub fn remove(&self, name: &str) -> Result<(), StorageError> {
        let path = self.directory.join(name);
        let outcome = match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => std::fs::remove_dir_all(&path),
            Ok(_) => std::fs::remove_file(&path),
            Err(error) => Err(error),
        };
        match outcome {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Removes the folders of migrations that have written nothing for a day, or only while the clock was more than a day
    /// ahead. Returns their number. `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// When something is left.
    pub fn drop_left_migrations(&self, now_us: u64) -> Result<usize, StorageError> {
        let day_us = MIGRATION_LEFT_AFTER_US;
        let recent = [now_us.saturating_sub(day_us), now_us.saturating_add(day_us)];
        let [from, to] = recent.map(|at_us| UNIX_EPOCH + Duration::from_micros(at_us));
        let mut dropped = 0;
        for folder in self.names(None)?.iter().filter(|name| name.starts_with(MIGRATION_FOLDER)) {
            let files = self.names(Some(folder))?.into_iter().map(|name| format!("{folder}/{name}"));
            let modified = |name: String| std::fs::metadata(self.directory.join(name)).ok()?.modified().ok();
            let mut written = [folder.clone()].into_iter().chain(files).filter_map(modified);
            if written.all(|at| at < from || at > to) {
                self.remove(folder)?;
                dropped += 1;
            }
        }
        Ok(dropped)
    }

    /// Renames a staged file, whose bytes are on disk already, to its key among the objects, in place of an earlier
    /// object. The name is on disk only after [`Staging::sync_key`].
    ///
    /// # Errors
    /// When a directory cannot be made or the rename fails: the file stays staged.
    pub fn publish(&self, name: &str, key: &str) -> Result<(), StorageError> {
        let target = self.root.join(key);
        if let Some(parent) = target.parent() {
            DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(parent)?;
        }
        std::fs::rename(self.directory.join(name), &target)?;
        Ok(give_to_owner_of(&self.root, &target)?)
    }

    /// Syncs an object's name to disk: its entry in its directory, and the entry of every directory above it that this
    /// process has not synced yet. A directory may exist without being synced, made by a process that ended.
    ///
    /// # Errors
    /// [`SyncError`], which tells whether the call may be repeated.
    pub fn sync_key(&self, key: &str) -> Result<(), SyncError> {
        let target = self.root.join(key);
        let own_directory = target.parent();
        for named in target.ancestors().take_while(|path| **path != *self.root) {
            if self.recorded().contains(named) {
                continue;
            }
            named.parent().map_or(Ok(()), sync_directory)?;
            // The object and its own directory are not remembered: there are as many as there are objects.
            if named != target && Some(named) != own_directory {
                self.recorded().insert(named.to_owned());
            }
        }
        Ok(())
    }

    /// Removes objects, each with its own directory if that is empty then, and syncs the removals to disk. An absent
    /// object counts as removed. No object may be published under these keys meanwhile.
    ///
    /// # Errors
    /// When some objects may be left, or their removal may not be on disk. The call may be repeated.
    pub fn remove_objects(&self, keys: &[String]) -> Result<(), StorageError> {
        let mut changed = BTreeSet::new();
        for key in keys {
            let path = self.root.join(key);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
            let Some(parent) = path.parent() else { continue };
            let is_left = match std::fs::remove_dir(parent) {
                Ok(()) => false,
                // Removed by an attempt that was cut off: the removal may not be on disk.
                Err(error) => error.kind() != ErrorKind::NotFound,
            };
            changed.extend(path.ancestors().nth(if is_left { 1 } else { 2 }).map(Path::to_owned));
        }
        changed.iter().filter(|directory| directory.exists()).try_for_each(|directory| Ok(sync_directory(directory)?))
    }

    fn recorded(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.recorded.lock()
    }
}

/// Errors of syncing bytes or names to disk.
#[derive(Debug)]
pub enum SyncError {
    /// No fsync was tried. The call may be repeated.
    NotTried(StorageError),
    /// The fsync failed: the data on disk is unknown, and a second fsync would hide that.
    Unknown(StorageError),
}

impl From<SyncError> for StorageError {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::NotTried(error) | SyncError::Unknown(error) => error,
        }
    }
}

/// An open staged file. Its methods may be called from several threads.
#[derive(Debug)]
pub struct StagedFile {
    file: File,
}

impl StagedFile {
    /// Returns the file's length in bytes.
    ///
    /// # Errors
    /// When the system call fails.
    pub fn length(&self) -> Result<u64, StorageError> {
        Ok(self.file.metadata()?.len())
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// When not all bytes could be written; some may have been.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), StorageError> {
        Ok(self.file.write_all_at(bytes, offset)?)
    }

    /// Fills `bytes` with the file's bytes from `offset` on.
    ///
    /// # Errors
    /// When the file is shorter or cannot be read.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), StorageError> {
        self.file.read_exact_at(bytes, offset).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => StorageError::Damaged("a staged file is shorter than its parts".into()),
            _ => error.into(),
        })
    }

    /// Sets the file's length in bytes: cuts the file, or extends it with zeros.
    ///
    /// # Errors
    /// When the system call fails.
    pub fn set_length(&self, bytes: u64) -> Result<(), StorageError> {
        Ok(self.file.set_len(bytes)?)
    }

    /// Waits until all written bytes and the length are on disk.
    ///
    /// # Errors
    /// [`SyncError::Unknown`].
    pub fn sync(&self) -> Result<(), SyncError> {
        self.file.sync_data().map_err(|error| SyncError::Unknown(error.into()))
    }
}

/// Returns the system's error alone: the message around it has the rest.
fn words(error: &StorageError) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        outcome => outcome,
    }
}

fn sync_directory(path: &Path) -> Result<(), SyncError> {
    let directory = File::open(path).map_err(|error| SyncError::NotTried(error.into()))?;
    directory.sync_all().map_err(|error| SyncError::Unknown(error.into()))
}
