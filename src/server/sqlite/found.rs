//! Passes the result of a closure on one of the database's threads back to its caller.
//!
//! Queues, transactions and threads handle jobs without their types, so they are compiled once and not for each
//! closure.

use std::sync::Arc;

use super::{Read, Write};
use crate::nonpoison::Mutex;
use crate::storage::StorageError;

/// A job that reads, and stores its result.
pub(super) type ReadJob = Box<dyn FnOnce(&Read<'_>) + Send>;
/// A job that writes, and stores its result; returns whether to commit.
pub(super) type WriteJob = Box<dyn FnOnce(&Write<'_>) -> bool + Send>;

/// The place where a job stores its result.
pub(super) struct Found<T, E>(Arc<Mutex<Option<Result<T, E>>>>);

impl<T, E> Found<T, E>
where
    T: Send + 'static,
    E: From<StorageError> + Send + 'static,
{
    /// Returns `job` without its types, and the place of its result.
    pub(super) fn by_read(job: impl FnOnce(&Read<'_>) -> Result<T, E> + Send + 'static) -> (ReadJob, Self) {
        let found = Self(Arc::default());
        let kept = Self(Arc::clone(&found.0));
        (Box::new(move |read| kept.keep(job(read))), found)
    }

    /// As [`Found::by_read`], for a job that writes.
    pub(super) fn by_write(job: impl FnOnce(&Write<'_>) -> Result<T, E> + Send + 'static) -> (WriteJob, Self) {
        let found = Self(Arc::default());
        let kept = Self(Arc::clone(&found.0));
        let job = move |write: &Write<'_>| {
            let outcome = job(write);
            let is_ok = outcome.is_ok();
            kept.keep(outcome);
            is_ok
        };
        (Box::new(job), found)
    }

    fn keep(&self, outcome: Result<T, E>) {
        *self.0.lock() = Some(outcome);
    }

    /// Returns the job's result after it `ended`, or the error of the database.
    pub(super) fn after(self, ended: Result<(), StorageError>) -> Result<T, E> {
        let outcome = self.0.lock().take();
        match ended {
            Ok(()) => outcome.unwrap_or_else(|| Err(StorageError::failed("a database job has left nothing").into())),
            Err(error) => Err(error.into()),
        }
    }
}
