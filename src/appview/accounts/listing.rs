//! The sessions as an operator sees them, and the end of those that nobody uses.

use super::{SessionId, Sessions};
use crate::accounts::tables;
use atproto::syntax::Did;
use server::storage::StorageError;

/// How long a session may lie unused, in microseconds: a PDS forgets it no later.
const UNUSED_US: u64 = 90 * 24 * 60 * 60 * 1_000_000;

/// A session, without what is secret of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSummary {
    /// Names it.
    pub id: SessionId,
    /// Whose it is.
    pub account: Did,
    /// Whether it was made in a browser, by OAuth; else by an app password.
    pub by_oauth: bool,
    /// When the PDS last said that it is good, microseconds since 1970.
    pub proven_us: u64,
}

impl Sessions {
    /// Returns all sessions, the one that was proven last first.
    ///
    /// # Errors
    /// When the database fails; so below.
    pub async fn list(&self) -> Result<Vec<SessionSummary>, StorageError> {
        self.database.read(tables::list).await
    }

    /// Returns how many sessions there are.
    ///
    /// # Errors
    /// As [`Sessions::list`].
    pub async fn count(&self) -> Result<u64, StorageError> {
        self.database.read(tables::count).await
    }

    /// Forgets sessions that nobody used for 90 days. Returns how many.
    ///
    /// # Errors
    /// As [`Sessions::list`].
    pub async fn sweep(&self) -> Result<usize, StorageError> {
        let before_us = (self.settings.clock)().saturating_sub(UNUSED_US);
        self.database.write(move |write| tables::delete_unused(write, before_us)).await
    }
}
