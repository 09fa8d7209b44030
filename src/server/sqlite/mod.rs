//! SQLite: one file, one thread that writes, a few connections that read.
//!
//! [`Database::open`] takes the lock of the file and migrates it to the newest version of the program's [`Schema`].
//! [`Database::write`] runs a closure inside one IMMEDIATE transaction on the writer thread and returns after the
//! commit is on disk (WAL, `synchronous = FULL`). [`Database::read`] runs a closure on a snapshot. The closures get
//! [`Write`] and [`Read`], which run the SQL of the room that owns the table.

mod backup;
mod columns;
mod faults;
mod found;
mod health;
mod open;
mod readers;
mod threads;
mod writer;

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Params, Row};

use atproto::syntax::Did;

use crate::storage::{Reservation, StorageError};

use found::Found;

pub use backup::{BackupError, Copies, back_up};
pub use columns::{Columns, row_limit};
pub use faults::DamagedDatabase;
pub use health::{DatabaseHealth, Unhealthy};
pub use open::{OpenError, Schema, is_locked};
pub use readers::Sizes;

/// A handle on the open database; cheap to clone. Dropping the last one closes it: the write-ahead log is checkpointed
/// into the file, and the lock is released.
#[derive(Clone)]
pub struct Database {
    writer: writer::Writer,
    readers: readers::Readers,
    health: DatabaseHealth,
}

impl Database {
    /// Opens or creates the database at `path`, takes its lock and migrates it to the newest version of `schema`.
    ///
    /// # Errors
    /// [`OpenError`], with the remedy.
    pub fn open(path: &Path, schema: &Schema) -> Result<Self, OpenError> {
        let opened = open::open(path, schema)?;
        let health = DatabaseHealth::default();
        let writer = writer::Writer::start(opened.connection, opened.lock, health.clone())?;
        let readers = readers::Readers::new(path.to_owned(), writer.clone(), health.clone());
        let readers = readers.map_err(|error| open::unreachable(path, &error))?;
        Ok(Self { writer, readers, health })
    }

    /// Returns the health of readers and writer.
    #[must_use]
    pub fn health(&self) -> DatabaseHealth {
        self.health.clone()
    }

    /// Runs `job` in one transaction: committed when it returns `Ok`, rolled back when it returns `Err` or panics.
    ///
    /// The job runs to its end even when the caller is dropped.
    ///
    /// # Errors
    /// The error of `job`, or the storage error that prevented the commit.
    pub async fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&Write<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let (job, found) = Found::by_write(job);
        found.after(self.writer.run(job).await)
    }

    /// Waits for all writes requested so far and the reads under way, also those whose callers were dropped: after that
    /// none of them holds a handle on the database, but a read that takes longer than five seconds. Dropping the last
    /// handle waits for the checkpoint of the write-ahead log, which a write that drops it could not do.
    pub async fn settle(&self) {
        let nothing = self.write(|_| Ok::<_, StorageError>(())).await;
        // A failing database has reported that to the callers of those writes.
        drop(nothing);
        self.readers.settle().await;
    }

    /// Runs `job` on a consistent snapshot that later writes do not change.
    ///
    /// # Errors
    /// The error of `job`, or the storage error that prevented the snapshot.
    pub async fn read<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&Read<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let (job, found) = Found::by_read(job);
        found.after(self.readers.run(job).await)
    }

    /// As [`Database::read`], on a connection of its own: for a job that lasts as long as a client reads.
    ///
    /// # Errors
    /// As [`Database::read`].
    pub async fn snapshot<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&Read<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let (job, found) = Found::by_read(job);
        found.after(self.readers.run_apart(job).await)
    }

    /// Waits until a write and a read have run: both work when this returns.
    ///
    /// # Errors
    /// When the database cannot be written or read.
    pub async fn ping(&self) -> Result<(), StorageError> {
        self.write(|_| Ok::<_, StorageError>(())).await?;
        self.read(|read| read.first("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map(drop)).await
    }

    /// Checkpoints the write-ahead log into the file and truncates it. Returns whether that was possible: not while a
    /// snapshot is held, or another process reads. Writes wait meanwhile, for a quarter of a second at most.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn shrink_log(&self) -> Result<bool, StorageError> {
        self.writer.shrink_log().await
    }

    /// Returns the sizes of the database's files, the times of its copies and the space of its disk.
    ///
    /// # Errors
    /// When the system reports an error.
    pub async fn sizes(&self) -> Result<Sizes, StorageError> {
        self.readers.sizes().await
    }

    /// Reserves `bytes` on the database's disk for a writer. `kept_bytes` are left free beside them, and as many bytes
    /// as the log has: they are written once more, into the file.
    ///
    /// # Errors
    /// [`StorageError::NoSpace`] when there is less; any other when the system reports an error.
    pub async fn reserve(&self, bytes: u64, kept_bytes: u64) -> Result<Reservation, StorageError> {
        self.readers.reserve(bytes, kept_bytes).await
    }

    /// Creates an unnamed file beside the database: it is removed with its handle, also after a crash.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn unnamed_file(&self) -> Result<std::fs::File, StorageError> {
        self.readers.unnamed_file()
    }

    /// Resolves when a commit failed in a way that leaves its outcome unknown: the process must end, so that the next
    /// one recovers from the write-ahead log.
    pub async fn failed(&self) {
        self.writer.failed().await;
    }
}

/// Read access to a snapshot.
pub struct Read<'c> {
    connection: &'c Connection,
}

/// Write access within one transaction; reads see its own writes.
pub struct Write<'c> {
    read: Read<'c>,
    after_commit: RefCell<Vec<Box<dyn FnOnce()>>>,
}

impl<'c> std::ops::Deref for Write<'c> {
    type Target = Read<'c>;
    fn deref(&self) -> &Read<'c> {
        &self.read
    }
}

impl Read<'_> {
    /// Returns the first row of a query, or `None`.
    ///
    /// # Errors
    /// [`StorageError`], as for every method here.
    pub fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StorageError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row(params, row).optional()?)
    }

    /// Returns all rows of a query.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StorageError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params, row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the rows of a query that are found within `limit`, and whether those are all: the query then ends.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn all_within<T>(
        &self,
        limit: Duration,
        sql: &str,
        params: impl Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<(Vec<T>, bool), StorageError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let (mut found, interrupt) = (Vec::new(), self.connection.get_interrupt_handle());
        // A progress handler would need no thread, but the connection to itself (`&mut`), or a deadline beside each connection
        // that all its statements look at. The scope ends after the thread: no later statement is interrupted.
        let outcome = thread::scope(|scope| {
            let (ends, ended) = mpsc::channel::<()>();
            scope.spawn(move || {
                if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                    interrupt.interrupt();
                }
            });
            let rows = statement.query_map(params, row)?.try_for_each(|row| row.map(|row| found.push(row)));
            drop(ends);
            rows
        });
        match outcome {
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
                Ok((found, false))
            }
            outcome => Ok((found, outcome.map(|()| true)?)),
        }
    }

    /// Returns all rows of a query for a number of each account: the account's DID, and the number.
    ///
    /// # Errors
    /// [`StorageError`]; [`StorageError::Damaged`] when an account is not a DID.
    pub fn of_accounts(&self, sql: &str, params: impl Params) -> Result<Vec<(Did, u64)>, StorageError> {
        self.all(sql, params, |row| Ok((row.parse(0, Did::parse)?, row.number(1)?)))
    }

    /// Calls `visit` with each row of a query, one in memory at a time, until it returns an error.
    ///
    /// # Errors
    /// [`StorageError`], or the error of `visit`.
    pub fn each<T, E: From<StorageError>>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        mut visit: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_while(sql, params, row, |found| visit(found).map(ControlFlow::Continue))
    }

    /// As [`Read::each`], until `visit` returns [`ControlFlow::Break`].
    ///
    /// # Errors
    /// [`StorageError`], or the error of `visit`.
    pub fn each_while<T, E: From<StorageError>>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        mut visit: impl FnMut(T) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let storage = |error: rusqlite::Error| StorageError::from(error);
        let mut statement = self.connection.prepare_cached(sql).map_err(storage)?;
        let mut rows = statement.query(params).map_err(storage)?;
        while let Some(found) = rows.next().map_err(storage)? {
            if visit(row(found).map_err(storage)?)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Write<'_> {
    /// Runs a statement and returns how many rows it changed.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn execute(&self, sql: &str, params: impl Params) -> Result<usize, StorageError> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }

    /// Runs `notify` once the transaction is on disk, before its caller gets the result; never when it is rolled back.
    /// It runs on the writer thread, so it must not wait.
    pub fn after_commit(&self, notify: impl FnOnce() + 'static) {
        self.after_commit.borrow_mut().push(Box::new(notify));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rusqlite::Connection;

    use super::{Did, Read, StorageError};

    #[test]
    fn a_query_that_takes_too_long_is_ended_and_the_connection_goes_on() {
        let memory = Connection::open_in_memory().unwrap();
        let read = Read { connection: &memory };
        let numbers = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1) SELECT n FROM n";
        let within = |limit, sql, last: i64| read.all_within(limit, sql, [last], |row| row.get::<_, i64>(0)).unwrap();
        let without_end = numbers.replace("SELECT n FROM", "SELECT max(n) FROM");
        assert_eq!(within(Duration::from_millis(20), &without_end, i64::MAX), (vec![], false));
        // Long enough for a first row, however busy the machine is.
        let (found, is_whole) = within(Duration::from_millis(500), numbers, i64::MAX);
        assert!(!is_whole && found.first() == Some(&1));
        assert_eq!(within(Duration::from_secs(600), numbers, 3), (vec![1, 2, 3], true));
        // Nor does it end a later query.
        assert_eq!(read.all(numbers, [100_000], |row| row.get::<_, i64>(0)).unwrap().len(), 100_000);
    }

    #[test]
    fn a_number_of_what_is_no_account_is_damage() {
        let memory = Connection::open_in_memory().unwrap();
        let read = |sql| Read { connection: &memory }.of_accounts(sql, ());
        let alice = Did::parse("did:web:alice.example").unwrap();
        assert_eq!(read("SELECT 'did:web:alice.example', 3").unwrap(), [(alice, 3)]);
        assert!(matches!(read("SELECT 'alice', 3"), Err(StorageError::Damaged(_))));
    }

    #[test]
    fn sqlite_has_what_statements_use_and_no_more() {
        let memory = Connection::open_in_memory().unwrap();
        let mut options = memory.prepare("PRAGMA compile_options").unwrap();
        let options: Vec<String> = options.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let has = |name: &str| options.iter().any(|option| option == name);
        assert!(has("ENABLE_FTS5"));
        for name in ["ENABLE_FTS3", "ENABLE_RTREE", "ENABLE_DBSTAT_VTAB", "ENABLE_STAT4"] {
            assert!(!has(name), "{name}: was it built without .cargo/config.toml?");
        }
    }
}
