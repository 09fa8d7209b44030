//! A transaction on the repository, and on other rows of the database that must change with it.

use super::change::Plan;
use super::outcome::Outcome;
use super::records::Records;
use super::{Carried, Head, Inner, Pds, PdsError};
use crate::pds::tables;
use atproto::repo::Cid;
use atproto::syntax::Tid;
use server::sqlite::Write;

/// The repository within one transaction.
#[derive(Clone, Copy)]
pub struct Repository<'t> {
    pub(super) inner: &'t Inner,
    pub(super) write: &'t Write<'t>,
    pub(super) now_us: u64,
}

impl<'t> Repository<'t> {
    /// Returns the transaction itself, for the tables of the caller's own room.
    #[must_use]
    pub fn transaction(&self) -> &'t Write<'t> {
        self.write
    }

    /// Returns the records, with the commits of this transaction.
    #[must_use]
    pub fn records(&self) -> Records<'t> {
        Records::new(self.write)
    }

    /// Returns the head of the repository; `None` before its first commit.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub fn head(&self) -> Result<Option<Head>, PdsError> {
        Ok(tables::repo_head(self.write)?.map(Head::from))
    }

    /// Sets an unpublished value.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub fn put_meta(&self, name: &str, value: &str) -> Result<(), PdsError> {
        Ok(tables::put_meta(self.write, name, value)?)
    }

    /// Returns a key for a new record, greater than `last`.
    #[must_use]
    pub fn next_key(&self, last: Option<&Tid>) -> Tid {
        Tid::next(self.now_us, self.inner.clock_id, last)
    }
}

impl Pds {
    /// Runs `job` in one transaction: all of it is kept when it returns `Ok`, else nothing. `now_us` is in microseconds
    /// since 1970. It runs to its end, also when the caller stops waiting.
    ///
    /// # Errors
    /// The error of `job`, or a storage error.
    pub async fn transact<T, E, F>(&self, now_us: u64, job: F) -> Result<T, E>
    where
        F: FnOnce(&Repository<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<PdsError> + Send + 'static,
    {
        let inner = std::sync::Arc::clone(&self.inner);
        let job = move |write: &Write<'_>| job(&Repository { inner: &inner, write, now_us }).map_err(Carried);
        self.inner.database.write(job).await.map_err(Carried::into_inner)
    }

    /// Calls `decide` to read the records and plan changes, and makes the plan one signed commit with its event. The
    /// first commit also creates the repository. `now_us` is in microseconds since 1970.
    ///
    /// It runs to its end, also when the caller stops waiting. A plan that changes nothing makes no commit.
    ///
    /// # Errors
    /// The error of `decide`; [`PdsError`] for a precondition that does not hold, a limit, or the storage.
    pub async fn commit<E, F>(&self, now_us: u64, swap_commit: Option<Cid>, decide: F) -> Result<Outcome, E>
    where
        F: FnOnce(&Records<'_>) -> Result<Plan, E> + Send + 'static,
        E: From<PdsError> + Send + 'static,
    {
        let job = move |repository: &Repository<'_>| {
            if swap_commit.is_some() && swap_commit != repository.head()?.map(|head| head.commit) {
                return Err(PdsError::InvalidSwap { what: "repository" }.into());
            }
            let plan = decide(&repository.records())?;
            Ok(repository.commit(plan)?)
        };
        self.transact(now_us, job).await
    }
}
