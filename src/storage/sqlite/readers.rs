//! A small pool of read-only connections, opened on demand and kept.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{Read, StorageError, open};

/// Reads are short; more connections than this only cost memory.
const MAX_CONNECTIONS: usize = 4;

pub(super) struct Readers {
    path: PathBuf,
    pool: Mutex<Pool>,
    returned: Condvar,
}

struct Pool {
    idle: Vec<Connection>,
    lent: usize,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, pool: Mutex::new(Pool { idle: Vec::new(), lent: 0 }), returned: Condvar::new() }
    }

    /// Runs `job` in a read transaction. Blocks; call it on a blocking thread.
    pub(super) fn run<T, E: From<StorageError>>(&self, job: impl FnOnce(&Read<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut loan = Loan { readers: self, connection: None };
        let connection = loan.connection.insert(self.borrow().map_err(E::from)?);
        read_in(connection, job)
    }

    /// The same on a connection that is opened for this job alone.
    pub(super) fn run_apart<T, E: From<StorageError>>(
        &self,
        job: impl FnOnce(&Read<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.connect().map_err(E::from)?;
        read_in(&mut connection, job)
    }

    fn connect(&self) -> Result<Connection, StorageError> {
        Ok(open::connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
    }

    fn borrow(&self) -> Result<Connection, StorageError> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        while pool.lent == MAX_CONNECTIONS {
            pool = self.returned.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
        pool.lent += 1;
        if let Some(connection) = pool.idle.pop() {
            return Ok(connection);
        }
        drop(pool);
        self.connect().inspect_err(|_| self.give_back(None))
    }

    fn give_back(&self, connection: Option<Connection>) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.lent -= 1;
        pool.idle.extend(connection);
        self.returned.notify_one();
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

/// Returns the connection even when the job panics.
struct Loan<'r> {
    readers: &'r Readers,
    connection: Option<Connection>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers.give_back(Some(connection));
        }
    }
}
