//! A small pool of read-only connections, opened on demand and kept.
//!
//! A read waits in a queue for one of a few workers, each of which has a thread and a connection and goes on for as long
//! as reads wait: the more there is to read, the fewer threads have to be woken for it.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::oneshot;

use super::backup::{Copies, copies};
use super::found::ReadJob;
use super::health::UnderWay;
use super::threads::Threads;
use super::writer::Writer;
use super::{DatabaseHealth, Read, open};
use crate::metrics::Text;
use crate::nonpoison::{Mutex, MutexGuard};
use crate::storage::{Disk, DiskSpace, Need, Reservation, StorageError, directory_of};

/// Number of connections. Reads are short; more would only cost memory.
const MAX_CONNECTIONS: usize = 4;
/// A job that reads a table once does not need pages that it has read.
const CACHE_APART_KIB: i32 = 1024;

/// The sizes of a database's files, the times of its copies, and the space of its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Size of the database file.
    pub file_bytes: u64,
    /// Size of the write-ahead log.
    pub log_bytes: u64,
    /// The times of the database's last copies.
    pub copies: Copies,
    /// The space of the file system that they are on.
    pub disk: DiskSpace,
}

impl Sizes {
    /// Writes the metrics of these values, with names that begin with `program`, but not those of the disk.
    pub fn show(&self, text: &mut Text, program: &str) {
        let name = |rest: &str| format!("{program}_{rest}");
        text.gauge(&name("database_bytes"), "Size of the database file.", self.file_bytes);
        text.gauge(&name("database_log_bytes"), "Size of the write-ahead log.", self.log_bytes);
        let help = "When the database was last copied by the command backup; 0: never.";
        text.gauge(&name("database_last_backup_timestamp_seconds"), help, self.copies.last_s);
        let help = "Longest time between two of the last four of these copies; 0: there were no two.";
        text.gauge(&name("database_backup_interval_seconds"), help, self.copies.interval_s);
    }
}

/// A job in the queue, and the channel to its caller.
struct Waiting {
    job: ReadJob,
    under_way: UnderWay,
    reply: Sender,
}

type Sender = oneshot::Sender<Result<(), StorageError>>;

#[derive(Clone)]
pub(super) struct Readers(Arc<Pool>);

struct Pool {
    path: PathBuf,
    state: Mutex<State>,
    health: DatabaseHealth,
    threads: Threads,
    /// Held while an unnamed file has a name.
    naming: Mutex<()>,
    /// The last field, so that it is dropped after the connections, also those of a read that outlives the last handle
    /// on the database: only a connection that may write can checkpoint the log at the end, and only as the last one.
    _writer: Writer,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    idle: Vec<Connection>,
    /// Number of workers: each serves waiting jobs until there are none.
    workers: usize,
}

impl Readers {
    pub(super) fn new(path: PathBuf, writer: Writer, health: DatabaseHealth) -> io::Result<Self> {
        let threads = Threads::new()?;
        Ok(Self(Arc::new(Pool {
            path,
            state: Mutex::default(),
            health,
            threads,
            naming: Mutex::default(),
            _writer: writer,
        })))
    }

    /// Runs `job` in a read transaction, unless its caller was dropped by then.
    pub(super) async fn run(&self, job: ReadJob) -> Result<(), StorageError> {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { job, under_way: self.0.health.read_begins(), reply };
        if let Some(worker) = Worker::queue(&self.0, waiting) {
            self.0.threads.spawn(|| worker.serve());
        }
        answer.await.map_err(|_| panicked())?
    }

    /// As [`Readers::run`], on a connection opened for this job alone.
    pub(super) async fn run_apart(&self, job: ReadJob) -> Result<(), StorageError> {
        let pool = Arc::clone(&self.0);
        self.blocking(move || read_in(&mut pool.connect(CACHE_APART_KIB)?, job)).await
    }

    /// Creates an unnamed file in the database's directory.
    pub(super) fn unnamed_file(&self) -> Result<File, StorageError> {
        let path = self.0.path.with_added_extension("spool");
        // Two at once would remove each other's.
        let _alone = self.0.naming.lock();
        // Left by a process that ended between the two steps below.
        let _ = std::fs::remove_file(&path);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    }

    pub(super) async fn sizes(&self) -> Result<Sizes, StorageError> {
        let pool = Arc::clone(&self.0);
        self.blocking(move || {
            let (file_bytes, log_bytes) = (std::fs::metadata(&pool.path)?.len(), pool.log_bytes());
            Ok(Sizes { file_bytes, log_bytes, copies: copies(&pool.path), disk: DiskSpace::of(&pool.path)? })
        })
        .await
    }

    pub(super) async fn reserve(&self, bytes: u64, kept_bytes: u64) -> Result<Reservation, StorageError> {
        let pool = Arc::clone(&self.0);
        self.blocking(move || {
            // The content of the log is written into the file too.
            Disk::of(directory_of(&pool.path))?
                .reserve(Need { bytes, files: 0 }, kept_bytes.saturating_add(pool.log_bytes()))
        })
        .await
    }

    /// Waits for the reads under way, also those whose callers were dropped, for five seconds at most.
    pub(super) async fn settle(&self) {
        self.0.threads.settle().await;
    }

    async fn blocking<T, F>(&self, job: F) -> Result<T, StorageError>
    where
        F: FnOnce() -> Result<T, StorageError> + Send + 'static,
        T: Send + 'static,
    {
        self.0.threads.spawn(job).await.map_err(|_| panicked())?
    }
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Returns the size of the log, which the first write creates.
    fn log_bytes(&self) -> u64 {
        let mut log = self.path.as_os_str().to_owned();
        log.push("-wal");
        std::fs::metadata(Path::new(&log)).map_or(0, |found| found.len())
    }

    fn connect(&self, cache_kib: i32) -> Result<Connection, StorageError> {
        Ok(open::connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY, cache_kib)?)
    }
}

/// A job of the threads that serves waiting reads with one connection until there are none.
struct Worker {
    connection: Option<Connection>,
    pool: Arc<Pool>,
    ended: bool,
}

impl Worker {
    /// Adds `job` to the queue; returns a new worker to serve it, unless as many as may be are at work.
    fn queue(pool: &Arc<Pool>, job: Waiting) -> Option<Self> {
        let mut state = pool.state();
        state.waiting.push_back(job);
        if state.workers == MAX_CONNECTIONS {
            return None;
        }
        state.workers += 1;
        Some(Self { pool: Arc::clone(pool), connection: state.idle.pop(), ended: false })
    }

    fn serve(mut self) {
        let mut last: Option<(Sender, Result<(), StorageError>)> = None;
        while let Some(Waiting { job, under_way, reply }) = self.next() {
            tell(last.take());
            if !reply.is_closed() {
                // The caller of a job that panics sees that its reply was dropped.
                let outcome = catch_unwind(AssertUnwindSafe(|| self.read(job)));
                last = outcome.ok().map(|outcome| (reply, outcome));
            }
            under_way.end();
        }
        // Before the last reply: its caller may drop the last handle, and open the database again at once.
        drop(self);
        tell(last);
    }

    fn read(&mut self, job: ReadJob) -> Result<(), StorageError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.pool.connect(open::CACHE_KIB)?),
        };
        read_in(connection, job)
    }

    /// Returns the next waiting job. When there is none, the worker ends under the same lock: no job is left without
    /// one.
    fn next(&mut self) -> Option<Waiting> {
        let mut state = self.pool.state();
        let job = state.waiting.pop_front();
        if job.is_none() {
            self.ended = true;
            state.workers -= 1;
            state.idle.extend(self.connection.take());
        }
        job
    }
}

impl Drop for Worker {
    /// Drops the waiting jobs of a worker that never began, because there is no thread for it: their callers get an error.
    fn drop(&mut self) {
        if !self.ended {
            let mut state = self.pool.state();
            state.workers -= 1;
            let forsaken = std::mem::take(&mut state.waiting);
            drop(state);
            // Without the lock: a job may hold the last handle on the pool.
            drop(forsaken);
        }
    }
}

/// Sends the outcome of a job to its caller, who may have been dropped.
fn tell(ended: Option<(Sender, Result<(), StorageError>)>) {
    if let Some((reply, outcome)) = ended {
        let _ = reply.send(outcome);
    }
}

fn read_in(connection: &mut Connection, job: ReadJob) -> Result<(), StorageError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    job(&Read { connection: &transaction });
    Ok(())
}

fn panicked() -> StorageError {
    StorageError::failed("a database read panicked")
}

#[cfg(test)]
mod tests {
    use crate::sqlite::{Database, Schema};

    #[test]
    fn files_that_are_made_at_once_do_not_take_each_others_name() {
        const SCHEMA: Schema = Schema { program: "test", application_id: 1, migrations: &["CREATE TABLE t (n)"] };
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join("test.db"), &SCHEMA).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..500).for_each(|_| drop(database.unnamed_file().unwrap())));
            }
        });
        assert!(!directory.path().join("test.db.spool").exists());
    }
}
