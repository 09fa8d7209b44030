//! A small pool of read-only connections, opened on demand and kept.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::Semaphore;

use super::writer::Writer;
use super::{Read, StorageError, open};
use crate::storage::Room;

/// Reads are short; more connections than this only cost memory.
const MAX_CONNECTIONS: usize = 4;
/// A job that goes through a table once has no use for pages that it has seen.
const CACHE_APART_KIB: i32 = 1024;

/// What the database takes on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The database file.
    pub file_bytes: u64,
    /// The write-ahead log.
    pub log_bytes: u64,
    /// The file system they are on.
    pub room: Room,
}

#[derive(Clone)]
pub(super) struct Readers {
    path: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Connection>>>,
    /// Waiting happens here, in a task, so that no thread waits for a connection.
    turns: Arc<Semaphore>,
    /// The last field, so that it goes after the connections, also those of a read that outlives the last handle on
    /// the database: only a connection that may write ends the write-ahead log, and only as the last one.
    _writer: Writer,
}

impl Readers {
    pub(super) fn new(path: PathBuf, writer: Writer) -> Self {
        let turns = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Self { path: Arc::new(path), idle: Arc::default(), turns, _writer: writer }
    }

    /// Runs `job` in a read transaction on the blocking pool.
    pub(super) async fn run<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&Read<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let closed = |_| E::from(StorageError::failed("the readers are closed"));
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(closed)?;
        let readers = self.clone();
        blocking(move || {
            let mut loan = Loan { readers: &readers, connection: None };
            let connection = loan.connection.insert(readers.take()?);
            let outcome = read_in(connection, job);
            drop(loan);
            drop(turn);
            outcome
        })
        .await
    }

    /// The same on a connection that is opened for this job alone.
    pub(super) async fn run_apart<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&Read<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let readers = self.clone();
        blocking(move || read_in(&mut readers.connect(CACHE_APART_KIB)?, job)).await
    }

    /// An empty file without a name in the database's directory.
    pub(super) fn unnamed_file(&self) -> Result<File, StorageError> {
        let path = self.path.with_added_extension("spool");
        // One of a process that ended between the two steps below.
        let _ = std::fs::remove_file(&path);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    }

    pub(super) async fn sizes(&self) -> Result<Sizes, StorageError> {
        let path = Arc::clone(&self.path);
        blocking(move || {
            let length = |file: &Path| std::fs::metadata(file).map(|found| found.len());
            let mut log = path.as_os_str().to_owned();
            log.push("-wal");
            // The log is made by the first write.
            let log_bytes = length(Path::new(&log)).unwrap_or_default();
            Ok(Sizes { file_bytes: length(&path)?, log_bytes, room: Room::of(&path)? })
        })
        .await
    }

    fn take(&self) -> Result<Connection, StorageError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.connect(open::CACHE_KIB), Ok)
    }

    fn connect(&self, cache_kib: i32) -> Result<Connection, StorageError> {
        Ok(open::connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY, cache_kib)?)
    }
}

/// Returns the connection even when the job panics.
struct Loan<'r> {
    readers: &'r Readers,
    connection: Option<Connection>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.connection.take());
    }
}

fn read_in<T, E: From<StorageError>>(
    connection: &mut Connection,
    job: impl FnOnce(&Read<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Deferred)
        .map_err(|e| E::from(StorageError::from(e)))?;
    job(&Read { connection: &transaction })
}

async fn blocking<T, E, F>(job: F) -> Result<T, E>
where
    F: FnOnce() -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StorageError> + Send + 'static,
{
    let panicked = |_| E::from(StorageError::failed("a database read panicked"));
    tokio::task::spawn_blocking(job).await.map_err(panicked)?
}
