//! The folder with the accounts: private to its owner, written atomically, by one process at a time.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::geteuid;
use zeroize::Zeroizing;

use super::StoreError;
use server::storage::lock_within;

const FOLDER: &str = "atcr";
const FILE: &str = "credentials.json";
/// The temporary file, renamed to [`FILE`] when it is written.
const NEW_FILE: &str = "credentials.json.new";
const LOCK: &str = "lock";
/// Limit of the file.
const MAX_BYTES: u64 = 4 << 20;
/// Time-out of the lock: a write takes less.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// The folder with the accounts.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// The lock that a writer holds.
pub(super) struct FolderLock(#[expect(dead_code, reason = "it is held, not read")] File);

impl Folder {
    /// `$XDG_CONFIG_HOME/atcr`, else `~/.config/atcr`. A relative path counts as unset.
    /// <https://specifications.freedesktop.org/basedir-spec/latest/>
    pub(super) fn of(config_home: Option<OsString>, home: Option<OsString>) -> Result<Self, StoreError> {
        let absolute = |text: OsString| Some(PathBuf::from(text)).filter(|path| path.is_absolute());
        let config = config_home.and_then(absolute).or_else(|| Some(home.and_then(absolute)?.join(".config")));
        Ok(Self(config.ok_or(StoreError::NoHome)?.join(FOLDER)))
    }

    pub(super) fn file(&self) -> PathBuf {
        self.0.join(FILE)
    }

    /// Reads the whole file; `None` where there is none. No lock is needed: the file is replaced atomically.
    pub(super) fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        if self.checked()?.is_none() {
            return Ok(None);
        }
        let path = self.file();
        let file = match open(&path, OpenOptions::new().read(true)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, "read", error)),
        };
        let metadata = file.metadata().map_err(|error| failed(&path, "read", error))?;
        if !metadata.is_file() {
            return Err(StoreError::Unsafe { path, problem: "is no file" });
        }
        owned(&path, &metadata)?;
        if metadata.mode() & 0o077 != 0 {
            return Err(StoreError::Unsafe { path, problem: "may be read by others: chmod 600" });
        }
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| failed(&path, "read", error))?;
        if bytes.len() as u64 > MAX_BYTES { Err(StoreError::Damaged(path)) } else { Ok(Some(bytes)) }
    }

    /// Takes the lock of writers; creates the folder if it is missing. Waits up to [`LOCK_PATIENCE`].
    pub(super) fn lock(&self) -> Result<FolderLock, StoreError> {
        if self.checked()?.is_none() {
            let made = self.make();
            made.map_err(|error| failed(&self.0, "made", error))?;
        }
        let path = self.0.join(LOCK);
        let file = open(&path, OpenOptions::new().write(true).create(true).mode(0o600));
        let file = file.map_err(|error| failed(&path, "opened", error))?;
        match lock_within(&file, LOCK_PATIENCE) {
            Ok(()) => Ok(FolderLock(file)),
            Err(TryLockError::Error(error)) => Err(failed(&path, "locked", error)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy(self.0.clone())),
        }
    }

    /// Replaces the file atomically with `bytes`.
    pub(super) fn write(&self, _: &FolderLock, bytes: &[u8]) -> Result<(), StoreError> {
        let (path, new) = (self.file(), self.0.join(NEW_FILE));
        // Replaced by another user (root), the file would no longer belong to its owner.
        if let Ok(metadata) = fs::symlink_metadata(&path)
            && metadata.uid() != geteuid().as_raw()
        {
            return Err(StoreError::Unsafe { path, problem: "belongs to another user" });
        }
        let written = replace(&self.0, &new, &path, bytes);
        written.map_err(|error| {
            let _ = fs::remove_file(&new);
            failed(&path, "written", error)
        })
    }

    fn make(&self) -> io::Result<()> {
        if let Some(parent) = self.0.parent() {
            fs::create_dir_all(parent)?;
        }
        match DirBuilder::new().mode(0o700).create(&self.0) {
            // Another process created it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            outcome => outcome,
        }
    }

    /// Checks owner, mode and type of the folder; `None` if it is missing.
    fn checked(&self) -> Result<Option<()>, StoreError> {
        let metadata = match fs::metadata(&self.0) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&self.0, "read", error)),
        };
        let wrong = |problem| StoreError::Unsafe { path: self.0.clone(), problem };
        if !metadata.is_dir() {
            return Err(wrong("is no folder"));
        }
        owned(&self.0, &metadata)?;
        if metadata.mode() & 0o022 != 0 {
            return Err(wrong("may be changed by others: chmod 700"));
        }
        Ok(Some(()))
    }
}

/// Checks that the file belongs to the user; root may read any user's file, for `sudo docker`.
fn owned(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    let user = geteuid();
    if metadata.uid() == user.as_raw() || user.is_root() {
        return Ok(());
    }
    Err(StoreError::Unsafe { path: path.to_owned(), problem: "belongs to another user" })
}

/// Opens a file without following a symbolic link, and without blocking on a FIFO.
fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.clone().custom_flags(flags.bits().cast_signed()).open(path).map_err(|error| {
        let is_link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
        if is_link { io::Error::other("it is a symbolic link") } else { error }
    })
}

/// Writes `bytes` to `new` and renames it to `path`.
fn replace(folder: &Path, new: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(new, path)?;
    File::open(folder)?.sync_all()
}

fn failed(path: &Path, done: &'static str, error: io::Error) -> StoreError {
    StoreError::Io { path: path.to_owned(), done, error }
}
