//! Opening the database: lock, pragmas that are read back, migrations by `user_version`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

use crate::storage::{directory_of, give_to_owner_of};

/// The schema of a program's database.
#[derive(Debug)]
pub struct Schema {
    /// The name of the program, for errors.
    pub program: &'static str,
    /// The application id in the header of the file.
    pub application_id: i32,
    /// The migrations, one script a version. A released script is never edited; the next one changes it.
    pub migrations: &'static [&'static str],
}

/// Page cache of the writer and of each of the four readers, 20 MiB in all; the kernel caches the rest. It holds the
/// inner pages of the indexes of a million records, for which 1 MiB would be too little.
pub(super) const CACHE_KIB: i32 = 4096;
/// The write-ahead log grows for as long as a reader holds a snapshot, and is truncated to this size afterwards.
const LOG_BYTES: &str = "16777216";
/// Least size of the index of the write-ahead log, a file beside it.
const LOG_INDEX_BYTES: u64 = 32 << 10;
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Errors of opening the database. Each is one line with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the lock.
    #[error("database {path} is in use by another {program}: stop that one first")]
    InUse {
        /// The database file.
        path: PathBuf,
        /// The program that the database belongs to.
        program: &'static str,
    },
    /// The directory does not exist or cannot be written.
    #[error("database {path} cannot be opened: {reason}; create its directory and let this user write there")]
    Unreachable {
        /// The database file.
        path: PathBuf,
        /// The text of the I/O error.
        reason: String,
    },
    /// The path is that of a directory.
    #[error("database {path} is a directory: set the path of a file, like {}", .path.join("the.db").display())]
    Directory {
        /// The path.
        path: PathBuf,
    },
    /// The file system is full or fails, which may pass.
    #[error("database {path} cannot be opened: {reason}; make room on its file system, or look at the disk")]
    Disk {
        /// The database file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// The file is not a database of this program, or SQLite finds it damaged.
    #[error(
        "database {path} is damaged or not a database of {program} ({reason}): restore it from a backup; it was left as \
         it is"
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// The program that the database should belong to.
        program: &'static str,
        /// The message of SQLite.
        reason: String,
    },
    /// The schema is newer than this program.
    #[error(
        "database {path} has schema {found}, this version knows {known}: start the newer {program} again, or restore a \
         backup of before it"
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// The program that the database belongs to.
        program: &'static str,
        /// The version found.
        found: usize,
        /// The newest version this program knows.
        known: usize,
    },
    /// A durability pragma had no effect.
    #[error("database {path} refuses {pragma}: put it on a local file system")]
    Pragma {
        /// The database file.
        path: PathBuf,
        /// The pragma.
        pragma: &'static str,
    },
}

pub(super) struct Opened {
    pub(super) connection: Connection,
    /// Held for as long as the writer lives.
    pub(super) lock: File,
}

impl OpenError {
    /// Whether a later attempt may succeed though nobody changed the configuration.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::Disk { .. })
    }
}

pub(super) fn open(path: &Path, schema: &Schema) -> Result<Opened, OpenError> {
    if path.is_dir() {
        return Err(OpenError::Directory { path: path.to_owned() });
    }
    let lock = lock(path, schema)?;
    make_private(path)?;
    for made in [&path.with_added_extension("lock"), path] {
        give_to_owner_of(directory_of(path), made).map_err(|error| unreachable(path, &error))?;
    }
    let damaged = |error: rusqlite::Error| damaged(path, schema, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut connection = connect(path, flags, CACHE_KIB).map_err(damaged)?;
    // Before the journal mode, which is written into the file.
    let found = check_version(&connection, path, schema)?;
    for (pragma, value, expected) in
        [("journal_mode", "WAL", "wal"), ("synchronous", "FULL", "2"), ("journal_size_limit", LOG_BYTES, LOG_BYTES)]
    {
        if set(&connection, pragma, value).map_err(damaged)? != expected {
            return Err(OpenError::Pragma { path: path.to_owned(), pragma });
        }
    }
    migrate(&mut connection, schema, found).map_err(damaged)?;
    Ok(Opened { connection, lock })
}

/// Opens a connection with the settings that all share; also used for readers.
pub(super) fn connect(path: &Path, flags: OpenFlags, cache_kib: i32) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Whether a process has the lock of the database at `path`; `None` where there is no database, or this user cannot tell.
#[must_use]
pub fn is_locked(path: &Path) -> Option<bool> {
    if !path.exists() {
        return None;
    }
    match File::open(path.with_added_extension("lock")) {
        Ok(file) => match file.try_lock_shared() {
            Ok(()) => Some(false),
            Err(TryLockError::WouldBlock) => Some(true),
            Err(TryLockError::Error(_)) => None,
        },
        Err(error) => (error.kind() == io::ErrorKind::NotFound).then_some(false),
    }
}

fn lock(path: &Path, schema: &Schema) -> Result<File, OpenError> {
    let lock_path = path.with_added_extension("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(lock_path)
        .map_err(|e| unreachable(path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned(), program: schema.program }),
        Err(TryLockError::Error(e)) => Err(unreachable(path, &e)),
    }
}

/// Creates the file with mode 0600: SQLite would make it readable by everyone; its log and index files get the same
/// mode.
fn make_private(path: &Path) -> Result<(), OpenError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(unreachable(path, &e)),
        _ => Ok(()),
    }
}

pub(super) fn unreachable(path: &Path, error: &io::Error) -> OpenError {
    let (path, reason) = (path.to_owned(), error.to_string());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpenError::Disk { path, reason },
        _ => OpenError::Unreachable { path, reason },
    }
}

/// Returns the cause of an input/output error of SQLite, which does not name a full file system: it cannot make the file
/// by which its connections share the index of the log.
fn disk_problem(path: &Path, error: &rusqlite::Error) -> String {
    let is_full = rustix::fs::statvfs(path).is_ok_and(|found| {
        found.f_bavail.saturating_mul(found.f_frsize) < LOG_INDEX_BYTES || (found.f_files > 0 && found.f_favail == 0)
    });
    if is_full { "its file system is full".to_owned() } else { error.to_string() }
}

/// Sets a pragma, and returns its value afterwards.
fn set(connection: &Connection, pragma: &str, value: &str) -> rusqlite::Result<String> {
    connection.pragma_update(None, pragma, value)?;
    connection.pragma_query_value(None, pragma, |row| {
        Ok(match row.get(0)? {
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => text,
            other => format!("{other:?}"),
        })
    })
}

/// Returns the schema version, 0 of an empty database, after checking that the database belongs to this program.
pub(super) fn check_version(connection: &Connection, path: &Path, schema: &Schema) -> Result<usize, OpenError> {
    let fail = |error: rusqlite::Error| damaged(path, schema, &error);
    let integer = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = usize::try_from(integer("user_version").map_err(fail)?).unwrap_or(usize::MAX);
    let application = integer("application_id").map_err(fail)?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fail)?;
    if tables > 0 && application != i64::from(schema.application_id) {
        let reason = "it was made by another program".into();
        return Err(OpenError::Damaged { path: path.to_owned(), program: schema.program, reason });
    }
    let known = schema.migrations.len();
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), program: schema.program, found, known });
    }
    Ok(found)
}

fn migrate(connection: &mut Connection, schema: &Schema, found: usize) -> rusqlite::Result<()> {
    for (version, script) in schema.migrations.iter().enumerate().skip(found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "application_id", schema.application_id)?;
        transaction.pragma_update(None, "user_version", i64::try_from(version + 1).unwrap_or(i64::MAX))?;
        transaction.commit()?;
    }
    Ok(())
}

pub(super) fn damaged(path: &Path, schema: &Schema, error: &rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode as Code;
    let (path, program) = (path.to_owned(), schema.program);
    match error.sqlite_error_code() {
        Some(Code::CannotOpen | Code::PermissionDenied | Code::ReadOnly) => {
            OpenError::Unreachable { path, reason: error.to_string() }
        }
        Some(Code::DiskFull | Code::SystemIoFailure) => OpenError::Disk { reason: disk_problem(&path, error), path },
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => OpenError::InUse { path, program },
        _ => OpenError::Damaged { path, program, reason: error.to_string() },
    }
}
