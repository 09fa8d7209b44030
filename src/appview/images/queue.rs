//! The queue of notices as an operator sees it.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::timeout;

use super::notices::HOLDS_AT_ONCE;
use super::{Images, ImagesError};
use crate::images::tables;
use atproto::syntax::{Did, ServiceUrl};
use server::label;
use server::metrics::CounterBy;
use server::storage::StorageError;

/// How long holds have to take what they are told before an account is forgotten.
const TELL_FOR: Duration = Duration::from_secs(20);

label! {
    /// How an attempt of the queue to tell a hold ended.
    pub enum NoticeOutcome {
        /// The hold took it.
        Delivered = "delivered",
        /// The hold refused it for good.
        Refused = "refused",
        /// The hold did not answer; it is tried again.
        Failed = "failed",
        /// It was tried for two weeks.
        GivenUp = "given_up",
    }
}

/// A notice that waits.
#[derive(Clone, Debug)]
pub struct WaitingNotice {
    /// Its number.
    pub id: i64,
    /// Whose manifest it is about.
    pub account: Did,
    /// The hold that does not know of it yet.
    pub hold: ServiceUrl,
    /// The repository; empty when the notice cannot be read.
    pub repository: String,
    /// The digest of the manifest; empty when the notice cannot be read.
    pub manifest: String,
    /// How often the queue has tried.
    pub attempts: u32,
    /// When it tries again, microseconds since 1970.
    pub due_us: u64,
    /// Since when it waits, microseconds since 1970.
    pub queued_us: u64,
    /// Why the last attempt failed.
    pub problem: Option<String>,
}

/// All notices that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueTotals {
    /// How many there are.
    pub waiting: u64,
    /// Since when the oldest waits, microseconds since 1970.
    pub oldest_us: Option<u64>,
}

impl Images {
    /// Returns how the attempts of the queue ended.
    #[must_use]
    pub fn outcomes(&self) -> &CounterBy<NoticeOutcome> {
        &self.outcomes
    }

    /// Returns the notices that wait, the oldest first, 1,000 at most.
    ///
    /// # Errors
    /// When the database fails; so below.
    pub async fn waiting(&self) -> Result<Vec<WaitingNotice>, StorageError> {
        self.database.read(tables::waiting).await
    }

    /// Returns the notices of an account that wait, the oldest first.
    ///
    /// # Errors
    /// As [`Images::waiting`].
    pub async fn waiting_of(&self, account: &Did) -> Result<Vec<WaitingNotice>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::waiting_of(read, &account)).await
    }

    /// Returns how many wait, and since when.
    ///
    /// # Errors
    /// As [`Images::waiting`].
    pub async fn queue(&self) -> Result<QueueTotals, StorageError> {
        self.database.read(tables::totals).await
    }

    /// Forgets a notice: its hold may remove the blobs of the manifest, unless it is told of it by another push. Returns
    /// whether there was one.
    ///
    /// # Errors
    /// As [`Images::waiting`].
    pub async fn drop_notice(&self, id: i64) -> Result<bool, StorageError> {
        self.database.write(move |write| tables::delete(write, id)).await
    }

    /// Forgets all notices of an account, as [`Images::drop_notice`] does one, and which of its manifests say something of
    /// others: those are found in its repository again.
    ///
    /// # Errors
    /// As [`Images::waiting`].
    pub async fn forget(&self, account: &Did) -> Result<(), StorageError> {
        let account = account.clone();
        let forget = move |write: &server::sqlite::Write<'_>| {
            tables::referrers::delete_of(write, &account)?;
            tables::delete_of(write, &account)
        };
        self.database.write(forget).await
    }

    /// Tells holds now what they are still to be told of an account, before that is forgotten. Returns what still waits.
    ///
    /// # Errors
    /// As [`Images::waiting`].
    pub async fn tell_now(&self, account: &Did) -> Result<Vec<WaitingNotice>, ImagesError> {
        let of = account.clone();
        let holds = self.database.write(move |write| tables::make_due_of(write, &of)).await?;
        let now_us = (self.clock)();
        let tell = stream::iter(holds).map(|hold| self.deliver_to(hold, now_us)).buffer_unordered(HOLDS_AT_ONCE);
        // One that was told and is not written down as such is told once more, or is forgotten.
        if let Ok(told) = timeout(TELL_FOR, tell.try_for_each(async |_| Ok(()))).await {
            told?;
        }
        Ok(self.waiting_of(account).await?)
    }

    /// Makes all notices due now. Returns how many there are.
    ///
    /// # Errors
    /// As [`Images::waiting`].
    pub async fn hasten(&self) -> Result<usize, StorageError> {
        let now_us = (self.clock)();
        self.database.write(move |write| tables::make_due(write, now_us)).await
    }
}
