//! The queue of notices, for an operator.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::timeout;

use super::notices::HOLDS_AT_ONCE;
use super::{Images, ImagesError, NoticeOutcome};
use crate::images::tables::{self, QueueTotals, WaitingNotice};
use atproto::syntax::Did;
use server::metrics::CounterBy;
use server::sqlite::Write;
use server::storage::StorageError;

/// How long holds have to accept the notices of an account before it is deleted.
const TELL_FOR: Duration = Duration::from_secs(20);

impl Images {
    /// Returns the counters of the queue's attempts by result.
    #[must_use]
    pub fn outcomes(&self) -> &CounterBy<NoticeOutcome> {
        &self.outcomes
    }

    /// Returns the notices in the queue, the oldest first, 1,000 at most.
    ///
    /// # Errors
    /// When the database fails; the same below.
    pub async fn waiting(&self) -> Result<Vec<WaitingNotice>, StorageError> {
        self.database.read(tables::waiting).await
    }

    /// Returns the notices of an account in the queue, the oldest first.
    ///
    /// # Errors
    /// As [`Images::waiting`].
    pub async fn waiting_of(&self, account: &Did) -> Result<Vec<WaitingNotice>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::waiting_of(read, &account)).await
    }

    /// Returns the number of notices in the queue of each account.
    ///
    /// # Errors
    /// As [`Images::waiting`].
    pub async fn waiting_by_account(&self) -> Result<Vec<(Did, u64)>, StorageError> {
        self.database.read(tables::by_account).await
    }

    /// Returns the totals of the queue.
    ///
    /// # Errors
    /// As [`Images::waiting`].
    pub async fn queue(&self) -> Result<QueueTotals, StorageError> {
        self.database.read(tables::totals).await
    }

    /// Removes a notice: its hold may delete the blobs of the manifest, unless another push notifies it. Returns
    /// whether there was one.
    ///
    /// # Errors
    /// As [`Images::waiting`].
    pub async fn drop_notice(&self, id: i64) -> Result<bool, StorageError> {
        self.database.write(move |write| tables::delete(write, id)).await
    }

    /// Removes all notices of an account, like [`Images::drop_notice`], what holds did not take of it, and its referrers:
    /// those are found in its repository again.
    ///
    /// # Errors
    /// As [`Images::waiting`].
    pub async fn forget(&self, account: &Did) -> Result<(), StorageError> {
        let account = account.clone();
        let forget = move |write: &Write<'_>| {
            tables::referrers::delete_of(write, &account)?;
            tables::refused::delete_of(write, &account)?;
            tables::delete_of(write, &account)
        };
        self.database.write(forget).await
    }

    /// Sends all notices of an account now, before its deletion. Returns those that remain.
    ///
    /// # Errors
    /// As [`Images::waiting`].
    pub async fn tell_now(&self, account: &Did) -> Result<Vec<WaitingNotice>, ImagesError> {
        let of = account.clone();
        let holds = self.database.write(move |write| tables::make_due_of(write, &of)).await?;
        let now_us = (self.clock)();
        let tell = stream::iter(holds).map(|hold| self.deliver_to(hold, now_us)).buffer_unordered(HOLDS_AT_ONCE);
        // A notice that was accepted but not removed from the queue is sent again, or dropped with the account.
        if let Ok(told) = timeout(TELL_FOR, tell.try_for_each(async |_| Ok(()))).await {
            told?;
        }
        Ok(self.waiting_of(account).await?)
    }

    /// Makes all notices due now. Returns their number.
    ///
    /// # Errors
    /// As [`Images::waiting`].
    pub async fn hasten(&self) -> Result<usize, StorageError> {
        let now_us = (self.clock)();
        self.database.write(move |write| tables::make_due(write, now_us)).await
    }
}
