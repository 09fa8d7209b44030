//! The one thread that writes.

use std::cell::RefCell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{Notify, mpsc, oneshot};

use super::found::WriteJob;
use super::health::UnderWay;
use super::open::BUSY_TIMEOUT;
use super::{DatabaseHealth, OpenError, Read, Write};
use crate::storage::{StorageError, check_room};

/// Jobs that may wait. Senders wait beyond that, so a slow disk slows its callers instead of filling memory.
const QUEUE: usize = 256;
/// How long readers are waited for when the log is to become empty.
const SHRINK_TIMEOUT: Duration = Duration::from_millis(250);

/// What the thread does, and whom it tells.
enum Job {
    Write { job: WriteJob, under_way: UnderWay, reply: oneshot::Sender<Result<(), StorageError>> },
    ShrinkLog { reply: oneshot::Sender<Result<bool, StorageError>> },
}

#[derive(Clone)]
pub(super) struct Writer {
    // Before the thread: it ends when the last sender is gone, and is waited for then.
    jobs: mpsc::Sender<Job>,
    /// A commit failed whose outcome is unknown.
    failed: Arc<Notify>,
    health: DatabaseHealth,
    _thread: Arc<Thread>,
}

/// Waits for the thread: the last commit, the end of the write-ahead log and the lock are behind whoever drops this.
struct Thread(Option<JoinHandle<()>>);

impl Drop for Thread {
    fn drop(&mut self) {
        // A job may have held the last handle: then this is the thread itself.
        if let Some(thread) = self.0.take_if(|thread| thread.thread().id() != std::thread::current().id()) {
            // A panic there was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl Writer {
    pub(super) fn start(mut connection: Connection, lock: File, health: DatabaseHealth) -> Result<Self, OpenError> {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let failed = Arc::<Notify>::default();
        let failed_in_thread = Arc::clone(&failed);
        let run = move || {
            while let Some(job) = queue.blocking_recv() {
                job.run(&mut connection, &failed_in_thread);
            }
            // Closing writes to the file, so the lock goes after it.
            drop(connection);
            drop(lock);
        };
        let spawned = std::thread::Builder::new().name("sqlite-writer".into()).spawn(run);
        let thread = spawned.map_err(|e| OpenError::Unreachable {
            path: std::path::PathBuf::new(),
            reason: format!("no thread: {e}"),
        })?;
        Ok(Self { jobs, failed, health, _thread: Arc::new(Thread(Some(thread))) })
    }

    /// Runs `job` in one transaction. Returns after the commit, or after it was rolled back because `job` wanted it.
    pub(super) async fn run(&self, job: WriteJob) -> Result<(), StorageError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Write { job, under_way: self.health.write_begins(), reply }).await?;
        answer.await.map_err(|_| gone())?
    }

    pub(super) async fn shrink_log(&self) -> Result<bool, StorageError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::ShrinkLog { reply }).await?;
        answer.await.map_err(|_| gone())?
    }

    async fn send(&self, job: Job) -> Result<(), StorageError> {
        self.jobs.send(job).await.map_err(|_| gone())
    }

    pub(super) async fn failed(&self) {
        self.failed.notified().await;
    }
}

impl Job {
    /// Nobody may be waiting any more; what was written stands all the same.
    fn run(self, connection: &mut Connection, failed: &Notify) {
        match self {
            Self::Write { job, under_way, reply } => {
                let outcome = transact(connection, failed, job);
                under_way.end();
                let _ = reply.send(outcome);
            }
            Self::ShrinkLog { reply } => {
                let _ = reply.send(shrink_log(connection).map_err(StorageError::from));
            }
        }
    }
}

fn gone() -> StorageError {
    StorageError::failed("the database thread has ended")
}

fn shrink_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(SHRINK_TIMEOUT)?;
    let is_busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    connection.busy_timeout(BUSY_TIMEOUT)?;
    is_busy.map(|is_busy| !is_busy)
}

/// The error of a commit that could not be written because the user's quota is used up. SQLite knows a full disk, but takes
/// EDQUOT for a broken one, and does not say which error it met: so it is tried. What was not written is rolled back.
fn over_quota(error: &rusqlite::Error, database: Option<&str>) -> Option<StorageError> {
    use rusqlite::ffi::{SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE};
    let code = error.sqlite_error()?.extended_code;
    if ![SQLITE_IOERR_WRITE, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_TRUNCATE].contains(&code) {
        return None;
    }
    let tried = check_room(Path::new(&format!("{}-room", database?)));
    tried.err().filter(|error| matches!(error, StorageError::NoSpace(_)))
}

fn transact(connection: &mut Connection, failed: &Notify, job: WriteJob) -> Result<(), StorageError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let write = Write { read: Read { connection: &transaction }, after_commit: RefCell::default() };
    // A panic rolls back with the transaction's drop and must not take the thread with it.
    let is_wanted = catch_unwind(AssertUnwindSafe(|| job(&write)))
        .map_err(|_| StorageError::failed("a database write panicked"))?;
    if !is_wanted {
        return Ok(());
    }
    let after_commit = write.after_commit.take();
    transaction.commit().map_err(|e| {
        if let Some(full) = over_quota(&e, connection.path()) {
            return full;
        }
        if e.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) {
            failed.notify_one();
        }
        e.into()
    })?;
    for notify in after_commit {
        // As a job: a panic must not take the thread with it. It was reported when it happened.
        let _ = catch_unwind(AssertUnwindSafe(notify));
    }
    Ok(())
}
