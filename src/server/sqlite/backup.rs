//! A copy of the database in one file, as it was at one moment, made while others read and write it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::{OpenFlags, TransactionBehavior};

use super::open::{CACHE_KIB, check_version, connect, damaged};
use super::{OpenError, Read, Schema};
use crate::storage::StorageError;

/// Why there is no copy. The database is as it was, and what was written of the copy is removed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The target exists. A backup is never written over another one.
    #[error("{0} exists: name a new file")]
    Exists(PathBuf),
    /// There is no database to copy.
    #[error("there is no database {0}")]
    NoDatabase(PathBuf),
    /// The database cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The copy cannot be written there.
    #[error("{path} cannot be written: {reason}")]
    Target {
        /// The copy.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// SQLite gave up: a full disk, or a database that is damaged.
    #[error("the database cannot be copied: {0}")]
    Failed(#[from] StorageError),
}

/// Returns the path at which the copy grows until it is whole.
#[must_use]
pub fn unfinished_backup(target: &Path) -> PathBuf {
    target.with_added_extension("part")
}

/// Copies the database at `path`, which another process may be writing, into `target`, which must not exist: one
/// snapshot, with mode 0600. It appears whole, and is on disk once this returns. Returns what `inspect` reads in it.
///
/// It neither waits for writers nor keeps them waiting; the write-ahead log grows meanwhile.
///
/// # Errors
/// [`BackupError`].
pub fn back_up<T>(
    path: &Path,
    schema: &Schema,
    target: &Path,
    inspect: impl FnOnce(&Read<'_>) -> Result<T, StorageError>,
) -> Result<T, BackupError> {
    if target.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(target.to_owned()));
    }
    if !path.exists() {
        return Err(BackupError::NoDatabase(path.to_owned()));
    }
    let unfinished = unfinished_backup(target);
    let copied = copy(path, schema, &unfinished, inspect).and_then(|found| {
        std::fs::rename(&unfinished, target)
            .and_then(|()| File::open(directory_of(target))?.sync_all())
            .map_err(|error| unwritable(target, &error))?;
        // Whoever may only read the directory has a copy all the same.
        let _ = std::fs::write(mark_of(path), b"");
        Ok(found)
    });
    if copied.is_err() {
        // What failed is said already.
        let _ = std::fs::remove_file(&unfinished);
    }
    copied
}

/// Returns when the database at `path` was last copied, by the file that [`back_up`] leaves beside it.
pub(super) fn last_backup(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(mark_of(path)).and_then(|metadata| metadata.modified()).ok()
}

fn mark_of(path: &Path) -> PathBuf {
    path.with_added_extension("backed-up")
}

fn copy<T>(
    path: &Path,
    schema: &Schema,
    unfinished: &Path,
    inspect: impl FnOnce(&Read<'_>) -> Result<T, StorageError>,
) -> Result<T, BackupError> {
    let failed = |error: rusqlite::Error| BackupError::Failed(error.into());
    let unwritable = |error: std::io::Error| unwritable(unfinished, &error);
    // Of one that was cut off.
    match std::fs::remove_file(unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unwritable(error)),
        _ => {}
    }
    // SQLite fills a file that is empty, and would make a new one readable by everyone.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished).map_err(unwritable)?;
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let source = connect(path, read_only, CACHE_KIB).map_err(|error| damaged(path, schema, &error))?;
    check_version(&source, path, schema)?;
    let name = unfinished.to_str().ok_or_else(|| unwritable(std::io::Error::other("its name is not UTF-8")))?;
    source.execute("VACUUM INTO ?1", [name]).map_err(failed)?;
    drop(source);
    // SQLite does not sync what it vacuums into another file.
    file.sync_all().map_err(unwritable)?;
    let mut copy = connect(unfinished, read_only, CACHE_KIB).map_err(failed)?;
    let snapshot = copy.transaction_with_behavior(TransactionBehavior::Deferred).map_err(failed)?;
    Ok(inspect(&Read { connection: &snapshot })?)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn unwritable(path: &Path, error: &std::io::Error) -> BackupError {
    BackupError::Target { path: path.to_owned(), reason: error.to_string() }
}
