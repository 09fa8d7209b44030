//! The folder with the accounts: for its owner alone, written whole or not at all, by one process at a time.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::geteuid;
use zeroize::Zeroizing;

use super::StoreError;

const FOLDER: &str = "atcr";
const FILE: &str = "credentials.json";
/// What will be the file.
const NEW_FILE: &str = "credentials.json.new";
const LOCK: &str = "lock";
/// A larger file is none of ours.
const MAX_BYTES: u64 = 4 << 20;
/// Longer nobody has the lock who goes on.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// That this process alone writes.
pub(super) struct FolderLock(#[expect(dead_code, reason = "it is held, not read")] File);

impl Folder {
    /// `$XDG_CONFIG_HOME/atcr`, else `~/.config/atcr`. A place that is relative to nothing counts as unset.
    /// <https://specifications.freedesktop.org/basedir-spec/latest/>
    pub(super) fn of(config_home: Option<OsString>, home: Option<OsString>) -> Result<Self, StoreError> {
        let absolute = |text: OsString| Some(PathBuf::from(text)).filter(|path| path.is_absolute());
        let config = config_home.and_then(absolute).or_else(|| Some(home.and_then(absolute)?.join(".config")));
        Ok(Self(config.ok_or(StoreError::NoHome)?.join(FOLDER)))
    }

    pub(super) fn file(&self) -> PathBuf {
        self.0.join(FILE)
    }

    /// All of the file; `None` where there is none. It needs no lock: the file is always whole.
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

    /// Waits a while for whoever writes.
    pub(super) fn lock(&self) -> Result<FolderLock, StoreError> {
        if self.checked()?.is_none() {
            let made = self.make();
            made.map_err(|error| failed(&self.0, "made", error))?;
        }
        let path = self.0.join(LOCK);
        let file = open(&path, OpenOptions::new().write(true).create(true).mode(0o600));
        let file = file.map_err(|error| failed(&path, "opened", error))?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(FolderLock(file)),
                Err(TryLockError::Error(error)) => return Err(failed(&path, "locked", error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(StoreError::Busy(self.0.clone()));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_INTERVAL),
            }
        }
    }

    /// Puts `bytes` in the place of the file, which is the old one or the new one at any moment.
    pub(super) fn write(&self, _: &FolderLock, bytes: &[u8]) -> Result<(), StoreError> {
        let (path, new) = (self.file(), self.0.join(NEW_FILE));
        // As another user this one would take the file away from its owner.
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
            // Another process made it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            outcome => outcome,
        }
    }

    /// The folder, if it is there and nobody else can put files in it.
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

/// Whether it is the user's own; root reads what any user keeps, for `sudo docker`.
fn owned(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    let user = geteuid();
    if metadata.uid() == user.as_raw() || user.is_root() {
        return Ok(());
    }
    Err(StoreError::Unsafe { path: path.to_owned(), problem: "belongs to another user" })
}

/// Opens what is no symbolic link, and waits for nobody.
fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.clone().custom_flags(flags.bits().cast_signed()).open(path).map_err(|error| {
        let is_link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
        if is_link { io::Error::other("it is a symbolic link") } else { error }
    })
}

/// Writes `bytes` to `new` and gives it the name of `path`.
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
