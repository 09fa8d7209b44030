//! What a closure on one of the database's threads has found, on its way back to who waits for it.
//!
//! Queues, transactions and threads know jobs without their types, so they are compiled once and not for each closure.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Read, Write};
use crate::storage::StorageError;

/// Reads, and keeps what it found.
pub(super) type ReadJob = Box<dyn FnOnce(&Read<'_>) + Send>;
/// Writes, and keeps what it found; says whether that is to be committed.
pub(super) type WriteJob = Box<dyn FnOnce(&Write<'_>) -> bool + Send>;

/// Where a job leaves its outcome.
pub(super) struct Found<T, E>(Arc<Mutex<Option<Result<T, E>>>>);

impl<T, E> Found<T, E>
where
    T: Send + 'static,
    E: From<StorageError> + Send + 'static,
{
    /// `job` without its types, and where to look for its outcome.
    pub(super) fn by_read(job: impl FnOnce(&Read<'_>) -> Result<T, E> + Send + 'static) -> (ReadJob, Self) {
        let found = Self(Arc::default());
        let kept = Self(Arc::clone(&found.0));
        (Box::new(move |read| kept.keep(job(read))), found)
    }

    /// As [`Found::by_read`].
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
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    /// The job's outcome after it `ended`, or the error of the database.
    pub(super) fn after(self, ended: Result<(), StorageError>) -> Result<T, E> {
        let outcome = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match ended {
            Ok(()) => outcome.unwrap_or_else(|| Err(StorageError::failed("a database job has left nothing").into())),
            Err(error) => Err(error.into()),
        }
    }
}
