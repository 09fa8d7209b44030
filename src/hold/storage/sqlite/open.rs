//! Opening the database: lock, pragmas that are read back, migrations by `user_version`.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// The schema, one script a version. A script that was released is never edited; the next one changes it.
pub(super) const MIGRATIONS: [&str; 8] = [
    include_str!("001_repo.sql"),
    include_str!("002_blobs.sql"),
    include_str!("003_record_blobs.sql"),
    include_str!("004_record_blocks.sql"),
    include_str!("005_bucket_uploads.sql"),
    include_str!("006_copies.sql"),
    include_str!("007_registry.sql"),
    include_str!("008_garbage.sql"),
];
/// "atcr" in ASCII: what `file` and a careful operator see in the header.
const APPLICATION_ID: i64 = 0x6174_6372;
/// The memory bill: at most so many pages in the writer and each of the four readers, 20 MiB; the kernel caches the rest.
/// It holds the inner pages of the indexes of a million records, of which 1 MiB would be too little.
pub(super) const CACHE_KIB: i32 = 4096;
/// The write-ahead log grows for as long as a reader holds a snapshot, and is cut back to so much afterwards.
const LOG_BYTES: &str = "16777216";
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the database could not be opened. Each line says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the lock.
    #[error("database {0} is in use by another atcr-hold: stop that one first")]
    InUse(PathBuf),
    /// The directory does not exist or cannot be written.
    #[error("database {path} cannot be opened: {reason}; create its directory and let this user write there")]
    Unreachable {
        /// The database file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is not a database of this program, or SQLite finds it damaged.
    #[error(
        "database {path} is damaged or not a hold's database ({reason}): restore it from a backup; it was left as it is"
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        reason: String,
    },
    /// The schema is newer than this program.
    #[error("database {path} has schema {found}, this version knows {known}: start the newer atcr-hold again")]
    Newer {
        /// The database file.
        path: PathBuf,
        /// The version found.
        found: usize,
        /// The newest version this program knows.
        known: usize,
    },
    /// A durability setting did not take.
    #[error("database {path} refuses {pragma}: put it on a local file system")]
    Pragma {
        /// The database file.
        path: PathBuf,
        /// The setting.
        pragma: &'static str,
    },
}

pub(super) struct Opened {
    pub(super) connection: Connection,
    /// Held for as long as the writer lives.
    pub(super) lock: File,
}

pub(super) fn open(path: &Path) -> Result<Opened, OpenError> {
    let lock = lock(path)?;
    make_private(path)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE, CACHE_KIB)
        .map_err(|e| damaged(path, &e))?;
    // Before the journal mode, which is written into the file.
    let found = check_schema(&connection, path)?;
    demand(&connection, path, "journal_mode", "WAL", "wal")?;
    demand(&connection, path, "synchronous", "FULL", "2")?;
    demand(&connection, path, "journal_size_limit", LOG_BYTES, LOG_BYTES)?;
    migrate(&mut connection, found).map_err(|e| damaged(path, &e))?;
    Ok(Opened { connection, lock })
}

/// A connection with what every connection needs; also used for readers.
pub(super) fn connect(path: &Path, flags: OpenFlags, cache_kib: i32) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn lock(path: &Path) -> Result<File, OpenError> {
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
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(e)) => Err(unreachable(path, &e)),
    }
}

/// SQLite would make the file readable by everyone; its log and index files take over the mode of the file.
fn make_private(path: &Path) -> Result<(), OpenError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(unreachable(path, &e)),
        _ => Ok(()),
    }
}

fn unreachable(path: &Path, error: &std::io::Error) -> OpenError {
    OpenError::Unreachable { path: path.to_owned(), reason: error.to_string() }
}

fn demand(
    connection: &Connection,
    path: &Path,
    name: &'static str,
    value: &str,
    expected: &str,
) -> Result<(), OpenError> {
    connection.pragma_update(None, name, value).map_err(|e| damaged(path, &e))?;
    let found: String = connection
        .pragma_query_value(None, name, |row| {
            let value: rusqlite::types::Value = row.get(0)?;
            Ok(match value {
                rusqlite::types::Value::Integer(n) => n.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => format!("{other:?}"),
            })
        })
        .map_err(|e| damaged(path, &e))?;
    if found == expected { Ok(()) } else { Err(OpenError::Pragma { path: path.to_owned(), pragma: name }) }
}

/// The schema version of a database that is ours, 0 of an empty one.
pub(super) fn check_schema(connection: &Connection, path: &Path) -> Result<usize, OpenError> {
    let fail = |e: rusqlite::Error| damaged(path, &e);
    let integer = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = usize::try_from(integer("user_version").map_err(fail)?).unwrap_or(usize::MAX);
    let application = integer("application_id").map_err(fail)?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fail)?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(OpenError::Damaged { path: path.to_owned(), reason: "it was made by another program".into() });
    }
    if found > MIGRATIONS.len() {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: MIGRATIONS.len() });
    }
    Ok(found)
}

fn migrate(connection: &mut Connection, found: usize) -> rusqlite::Result<()> {
    for (version, script) in MIGRATIONS.iter().enumerate().skip(found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", i64::try_from(version + 1).unwrap_or(i64::MAX))?;
        transaction.commit()?;
    }
    Ok(())
}

pub(super) fn damaged(path: &Path, error: &rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode as Code;
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(Code::CannotOpen | Code::PermissionDenied | Code::ReadOnly | Code::DiskFull) => {
            OpenError::Unreachable { path, reason: error.to_string() }
        }
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => OpenError::InUse(path),
        _ => OpenError::Damaged { path, reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_an_older_database_lead_to_their_blocks_also_when_it_is_vacuumed() {
        let mut database = Connection::open_in_memory().unwrap();
        MIGRATIONS[..3].iter().for_each(|script| database.execute_batch(script).unwrap());
        database
            .execute_batch(
                "INSERT INTO block (rowid, cid, rev, bytes) VALUES (3, x'03', '', x'33'), (7, x'07', '', x'77');
                 INSERT INTO record (collection, rkey, cid) VALUES ('c', 'a', x'07'), ('c', 'b', x'03'), ('c', 'd', x'07')",
            )
            .unwrap();
        migrate(&mut database, 3).unwrap();
        database.execute_batch("VACUUM").unwrap();
        let sql = "SELECT group_concat(rkey || number || hex(bytes)) FROM record JOIN block ON number = block
                   WHERE record.cid = block.cid";
        let found: String = database.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(found, "a777,b333,d777");
    }
}
