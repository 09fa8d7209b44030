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
use crate::storage::{StorageError, check_not_full};

/// Limit of waiting jobs. Beyond it senders wait, so a slow disk slows its callers instead of filling memory.
const QUEUE: usize = 256;
/// Time-out of the wait for readers when the log is truncated.
const SHRINK_TIMEOUT: Duration = Duration::from_millis(250);

/// A job of the writer thread, and the channel to its caller.
enum Job {
    Write { job: WriteJob, under_way: UnderWay, reply: oneshot::Sender<Result<(), StorageError>> },
    ShrinkLog { reply: oneshot::Sender<Result<bool, StorageError>> },
}

#[derive(Clone)]
pub(super) struct Writer {
    // Before the thread: it ends when the last sender is dropped, and is joined then.
    jobs: mpsc::Sender<Job>,
    /// Notified of a failed commit whose outcome is unknown.
    failed: Arc<Notify>,
    health: DatabaseHealth,
    _thread: Arc<Thread>,
}

/// Joins the thread when dropped: after that the last commit and the checkpoint are done, and the lock is released.
struct Thread(Option<JoinHandle<()>>);

impl Drop for Thread {
    fn drop(&mut self) {
        // A job may have held the last handle: then this is the writer thread itself.
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
            // Closing writes to the file, so the lock is released after it.
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

    /// Runs `job` in one transaction. Returns after the commit, or after the rollback that `job` asked for.
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
    /// Runs the job. Its caller may have been dropped; the write stands all the same.
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

/// Returns the error of a commit that failed because the user's quota is used up. SQLite knows a full disk, but reports
/// EDQUOT as an I/O error without its number: so a write is tried. The failed commit was rolled back.
fn over_quota(error: &rusqlite::Error, database: Option<&str>) -> Option<StorageError> {
    use rusqlite::ffi::{SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE};
    let code = error.sqlite_error()?.extended_code;
    if ![SQLITE_IOERR_WRITE, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_TRUNCATE].contains(&code) {
        return None;
    }
    let tried = check_not_full(Path::new(&format!("{}-room", database?)));
    tried.err().filter(|error| matches!(error, StorageError::NoSpace(_)))
}

fn transact(connection: &mut Connection, failed: &Notify, job: WriteJob) -> Result<(), StorageError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let write = Write { read: Read { connection: &transaction }, after_commit: RefCell::default() };
    // A panic rolls back by the transaction's drop, and must not end the thread.
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
        // As with a job: a panic must not end the thread. It was reported when it happened.
        let _ = catch_unwind(AssertUnwindSafe(notify));
    }
    Ok(())
}
