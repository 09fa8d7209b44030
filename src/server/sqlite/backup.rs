//! Backups: a copy of the database in one file, a snapshot made while others read and write the database.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rusqlite::{OpenFlags, TransactionBehavior};

use super::open::{CACHE_KIB, check_version, connect, damaged};
use super::{OpenError, Read, Schema};
use crate::storage::{PartialFile, StorageError, directory_of, give_to_owner_of};

/// Errors of a backup. The database is unchanged, and the incomplete copy is removed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The target exists. A backup never overwrites a file.
    #[error("{0} exists: name a new file")]
    Exists(PathBuf),
    /// There is no database to copy.
    #[error("there is no database {0}")]
    NoDatabase(PathBuf),
    /// The database cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The copy cannot be written.
    #[error("{path} cannot be written: {reason}")]
    Target {
        /// The copy.
        path: PathBuf,
        /// The text of the I/O error.
        reason: String,
    },
    /// An SQLite error: a full disk, or a damaged database.
    #[error("the database cannot be copied: {0}")]
    Failed(#[from] StorageError),
}

/// Copies the database at `path`, which another process may be writing, into `target`, which must not exist: one
/// snapshot, with mode 0600. It is renamed to `target` when it is complete and synced. Returns the result of `inspect`
/// on it.
///
/// It neither waits for writers nor blocks them; the write-ahead log grows meanwhile.
///
/// # Errors
/// [`BackupError`]
pub fn back_up<T>(
    path: &Path,
    schema: &Schema,
    target: &Path,
    inspect: impl FnOnce(&Read<'_>) -> Result<T, StorageError>,
) -> Result<T, BackupError> {
    if !path.exists() {
        return Err(BackupError::NoDatabase(path.to_owned()));
    }
    let partial = PartialFile::create(target).map_err(|error| unwritable(target, &error))?;
    // Nobody else can publish it from here on.
    if target.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(target.to_owned()));
    }
    let found = copy(path, schema, partial.path(), inspect)?;
    partial.publish().map_err(|error| unwritable(target, &error))?;
    // A user who may only read the directory has a copy all the same.
    let _ = modified_s(target).map(|at_s| remember(path, at_s));
    Ok(found)
}

/// The times of a database's last copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Time of the last copy, seconds since 1970; 0: never.
    pub last_s: u64,
    /// The longest time between two of the last `REMEMBERED` copies, in seconds; 0: there were no two. One copy made
    /// by hand between two of a timer's does not shorten it.
    pub interval_s: u64,
}

/// Number of copies whose times are recorded.
const REMEMBERED: usize = 4;

/// Returns the times of the copies of the database at `path`, from the file that [`back_up`] writes beside it.
pub(super) fn copies(path: &Path) -> Copies {
    let times = times_in(&mark_of(path));
    let gaps = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
    Copies { last_s: times.last().copied().unwrap_or_default(), interval_s: gaps.max().unwrap_or_default() }
}

/// Records the time of a copy of the database at `path`. The file is readable by all, as the daemon may run as another
/// user.
fn remember(path: &Path, at_s: u64) -> std::io::Result<()> {
    let mark = mark_of(path);
    let mut times = times_in(&mark);
    times.push(at_s);
    let last = &times[times.len().saturating_sub(REMEMBERED)..];
    std::fs::write(&mark, last.iter().map(|time| format!("{time}\n")).collect::<String>())?;
    std::fs::set_permissions(&mark, std::fs::Permissions::from_mode(0o644))?;
    // Else a copy that the owner makes afterwards could not be recorded.
    give_to_owner_of(directory_of(path), &mark)
}

/// Returns the times of the last copies, the newest last; of an empty file, as earlier versions wrote it, its own time.
fn times_in(mark: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(mark).unwrap_or_default();
    let times: Vec<u64> = text.lines().filter_map(|line| line.parse().ok()).collect();
    if times.is_empty() { modified_s(mark).into_iter().collect() } else { times }
}

fn modified_s(path: &Path) -> Option<u64> {
    let modified = path.metadata().and_then(|metadata| metadata.modified()).ok()?;
    modified.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

fn mark_of(path: &Path) -> PathBuf {
    path.with_added_extension("backed-up")
}

/// Copies the database into an empty file, and inspects the copy.
fn copy<T>(
    path: &Path,
    schema: &Schema,
    empty: &Path,
    inspect: impl FnOnce(&Read<'_>) -> Result<T, StorageError>,
) -> Result<T, BackupError> {
    let failed = |error: rusqlite::Error| BackupError::Failed(error.into());
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let source = connect(path, read_only, CACHE_KIB).map_err(|error| damaged(path, schema, &error))?;
    check_version(&source, path, schema)?;
    let not_utf8 = || unwritable(empty, &std::io::Error::other("its name is not UTF-8"));
    source.execute("VACUUM INTO ?1", [empty.to_str().ok_or_else(not_utf8)?]).map_err(failed)?;
    drop(source);
    let mut copy = connect(empty, read_only, CACHE_KIB).map_err(failed)?;
    let snapshot = copy.transaction_with_behavior(TransactionBehavior::Deferred).map_err(failed)?;
    Ok(inspect(&Read { connection: &snapshot })?)
}

fn unwritable(path: &Path, error: &std::io::Error) -> BackupError {
    BackupError::Target { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_the_last_gaps_is_how_often_it_is_copied() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hold.db");
        assert_eq!(copies(&path), Copies::default());
        let week_s = 7 * 86_400;
        for at_s in [week_s, 2 * week_s, 2 * week_s + 60, 3 * week_s] {
            remember(&path, at_s).unwrap();
        }
        assert_eq!(copies(&path), Copies { last_s: 3 * week_s, interval_s: week_s });
        // Four copies later only the new pace counts.
        for day in 1..=4 {
            remember(&path, 3 * week_s + day * 86_400).unwrap();
        }
        assert_eq!(copies(&path).interval_s, 86_400);
        assert_eq!(mark_of(&path).metadata().unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn an_empty_mark_of_a_former_version_is_one_copy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hold.db");
        std::fs::write(mark_of(&path), b"").unwrap();
        let before = copies(&path);
        assert!(before.last_s > 0 && before.interval_s == 0, "{before:?}");
        remember(&path, before.last_s + 60).unwrap();
        assert_eq!(copies(&path), Copies { last_s: before.last_s + 60, interval_s: 60 });
    }
}
