//! The one thread that writes.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{Notify, mpsc, oneshot};

use super::{OpenError, Read, StorageError, Write};

/// Jobs that may wait. Senders wait beyond that, so a slow disk slows its callers instead of filling memory.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce(&mut Connection, &Notify) + Send>;

#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    failed: Arc<Notify>,
}

impl Writer {
    pub(super) fn start(mut connection: Connection, lock: File) -> Result<Self, OpenError> {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let failed = Arc::new(Notify::new());
        let failed_in_thread = Arc::clone(&failed);
        let run = move || {
            // The lock goes when the thread does: after the last commit.
            let _lock = lock;
            while let Some(job) = queue.blocking_recv() {
                job(&mut connection, &failed_in_thread);
            }
        };
        std::thread::Builder::new().name("sqlite-writer".into()).spawn(run).map_err(|e| OpenError::Unreachable {
            path: std::path::PathBuf::new(),
            reason: format!("no thread: {e}"),
        })?;
        Ok(Self { jobs, failed })
    }

    pub(super) async fn run<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&Write<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let boxed: Job = Box::new(move |connection, failed| {
            let outcome = transact(connection, failed, job);
            // Nobody may be waiting any more; the transaction stands all the same.
            let _ = reply.send(outcome);
        });
        let gone = || E::from(StorageError::failed("the database thread has ended"));
        self.jobs.send(boxed).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    pub(super) async fn failed(&self) {
        self.failed.notified().await;
    }
}

fn transact<T, E, F>(connection: &mut Connection, failed: &Notify, job: F) -> Result<T, E>
where
    F: FnOnce(&Write<'_>) -> Result<T, E>,
    E: From<StorageError>,
{
    let storage = |e: rusqlite::Error| E::from(StorageError::from(e));
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(storage)?;
    let write = Write { read: Read { connection: &transaction } };
    // A panic rolls back with the transaction's drop and must not take the thread with it.
    let value = catch_unwind(AssertUnwindSafe(|| job(&write)))
        .unwrap_or_else(|_| Err(E::from(StorageError::failed("a database write panicked"))))?;
    transaction.commit().map_err(|e| {
        if e.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) {
            failed.notify_one();
        }
        storage(e)
    })?;
    Ok(value)
}
