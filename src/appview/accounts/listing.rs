//! Listing of sessions for an operator, and removal of unused ones.

use std::sync::atomic::Ordering;

use super::Sessions;
use crate::accounts::tables::{self, SessionSummary};
use atproto::syntax::Did;
use server::storage::StorageError;

/// How long a session may stay unused, in microseconds. A PDS ends it no later.
const UNUSED_US: u64 = 90 * 24 * 60 * 60 * 1_000_000;

/// Time since the last look from which on it may be the clock that went ahead, in microseconds: a day.
const JUMP_US: u64 = 24 * 60 * 60 * 1_000_000;

impl Sessions {
    /// Returns all sessions, the most recently confirmed first.
    ///
    /// # Errors
    /// When the database fails; the same below.
    pub async fn list(&self) -> Result<Vec<SessionSummary>, StorageError> {
        self.database.read(tables::list).await
    }

    /// Returns the sessions of an account, as [`Sessions::list`].
    ///
    /// # Errors
    /// As [`Sessions::list`].
    pub async fn of_account(&self, account: &Did) -> Result<Vec<SessionSummary>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::of_account(read, &account)).await
    }

    /// Returns the number of sessions.
    ///
    /// # Errors
    /// As [`Sessions::list`].
    pub async fn count(&self) -> Result<u64, StorageError> {
        self.database.read(tables::count).await
    }

    /// Forgets sessions that were not used for 90 days. Returns their number. After a time without a look, as after a jump
    /// of the clock, it forgets none until the next look: a clock that is ahead for a moment costs nobody a session.
    ///
    /// # Errors
    /// As [`Sessions::list`].
    pub async fn sweep(&self) -> Result<usize, StorageError> {
        let now_us = (self.settings.clock)();
        let last_us = match self.looked_us.swap(now_us, Ordering::Relaxed) {
            0 => self.database.read(tables::last_proven_us).await?.unwrap_or(now_us),
            last_us => last_us,
        };
        if now_us.saturating_sub(last_us) > JUMP_US {
            return Ok(0);
        }
        let before_us = now_us.saturating_sub(UNUSED_US);
        self.database.write(move |write| tables::delete_unused(write, before_us)).await
    }
}
