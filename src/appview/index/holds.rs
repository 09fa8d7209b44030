//! What holds say of themselves, as they are asked for it: whether they are public, their crews and their pull counts.

use super::replacing::BATCH;
use super::retries::LookUpKind;
use super::{Change, ChangeKind, Index, PullCount, tables};
use atproto::syntax::Did;
use server::storage::StorageError;

/// Interval at which a hold is asked whether it is public.
const HOLD_FRESH_US: u64 = 60 * 60 * 1_000_000;

impl Index {
    /// Returns holds that are to be asked whether they are public. Forgets those that no repository names any more.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn due_holds(&self, limit: usize) -> Result<Vec<Did>, StorageError> {
        let now_us = (self.clock)();
        loop {
            let due = self.database.read(move |read| tables::holds::due(read, now_us, limit)).await?;
            if due.is_empty() {
                return Ok(due);
            }
            let forgotten =
                self.database.write(move |write| tables::holds::forget_unnamed(write, now_us, limit)).await?;
            if forgotten == 0 {
                return Ok(due);
            }
        }
    }

    /// Stores the accounts with write permission at a hold, as read from it.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn set_crew(&self, hold: &Did, members: Vec<Did>) -> Result<(), StorageError> {
        self.retries.answered(LookUpKind::Crew, hold);
        let hold = hold.clone();
        self.database.write(move |write| tables::holds::set_crew(write, &hold, &members)).await
    }

    /// Has a hold whose crew could not be read asked again soon, and less and less often.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn crew_failed(&self, hold: &Did) -> Result<(), StorageError> {
        let at_us = (self.clock)() + self.retries.pause_us(LookUpKind::Crew, hold, false, HOLD_FRESH_US);
        let hold = hold.clone();
        self.database.write(move |write| tables::holds::look_up_by(write, &hold, at_us)).await
    }

    /// Returns the holds at which an account has write permission, as last read from them.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn holds_of(&self, member: &Did, limit: usize) -> Result<Vec<Did>, StorageError> {
        let member = member.clone();
        self.database.read(move |read| tables::holds::of_member(read, &member, limit)).await
    }

    /// Stores the pull counts of images, as read from a hold. Where events are followed, a count that is smaller than the
    /// stored one is not: an event may have brought that meanwhile, as it will bring a count that fell.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn set_pull_counts(&self, hold: &Did, counts: Vec<PullCount>) -> Result<(), StorageError> {
        let change = |count: PullCount| {
            let kind = ChangeKind::Stats(PullCount { is_answer: true, ..count });
            Change { account: hold.clone(), kind }
        };
        let mut changes = counts.into_iter().map(change).peekable();
        // In batches, so that other writes come between them.
        while changes.peek().is_some() {
            self.apply(changes.by_ref().take(BATCH).collect(), None).await?;
        }
        Ok(())
    }

    /// Stores whether a hold that was asked at `asked_us` is public; `None` when it did not answer, which keeps the last
    /// answer. An answer that is older than an event of the hold is not stored.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn set_hold_is_public(
        &self,
        hold: &Did,
        is_public: Option<bool>,
        asked_us: u64,
    ) -> Result<(), StorageError> {
        let (hold, now_us) = (hold.clone(), (self.clock)());
        let next_us = now_us + self.retries.pause_us(LookUpKind::Hold, &hold, is_public.is_some(), HOLD_FRESH_US);
        self.database.write(move |write| tables::holds::store_answer(write, &hold, is_public, asked_us, next_us)).await
    }
}
