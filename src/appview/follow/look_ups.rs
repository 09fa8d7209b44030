//! Look-ups at holds and at accounts' domains, a few at once: each is a host that a stranger named.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, timeout};

use super::Follow;
use crate::index::{Change, ChangeKind, DueHandle};
use crate::names::Owner;
use atproto::syntax::{Did, HoldId, micros};
use server::bulkhead::Caller;
use server::identity::ResolveError;
use server::storage::StorageError;

/// Number of look-ups at once, and in one round.
const AT_ONCE: usize = 8;
const ROUND: usize = 64;
/// Time-out of one look-up.
const TIME: Duration = Duration::from_secs(5);
/// Time between two look-ups of an account's handle. A document is not read again in the minute after it was.
const CHECK_PAUSE: Duration = Duration::from_secs(61);
/// Accounts that are remembered to be checked, at some 100 bytes each.
pub(super) const MAX_CHECKED: usize = 4096;
/// Time-outs of the crew list of a hold and of its pull counts, and the maximum number of pages of 100 counts.
const LIST_TIME: Duration = Duration::from_secs(20);
const MAX_STATS_PAGES: usize = 50;
/// Interval between looks for due look-ups.
const INTERVAL: Duration = Duration::from_secs(30);

impl Follow {
    /// Makes the look-ups that are due, as long as the registry runs.
    pub async fn keep_looking_up(&self) {
        let mut wakes = self.index.wakes();
        loop {
            match self.look_up_due().await {
                // The round was full: more may be due.
                Ok(due) if due >= ROUND => {}
                Ok(_) => drop(timeout(INTERVAL, wakes.changed()).await),
                Err(error) => {
                    tracing::warn!(%error, "the index cannot be kept up");
                    tokio::time::sleep(INTERVAL).await;
                }
            }
        }
    }

    /// Makes a round of look-ups. Returns their number.
    async fn look_up_due(&self) -> Result<usize, StorageError> {
        let (holds, accounts) = (self.index.due_holds(ROUND).await?, self.index.due_handles(ROUND).await?);
        let due = holds.len() + accounts.len();
        let mut holds = stream::iter(holds.into_iter().map(|hold| self.look_up_hold(hold))).buffer_unordered(AT_ONCE);
        while let Some(outcome) = holds.next().await {
            outcome?;
        }
        let look_ups = accounts.into_iter().map(|account| self.look_up_handle(account));
        let mut accounts = stream::iter(look_ups).buffer_unordered(AT_ONCE);
        while let Some(outcome) = accounts.next().await {
            outcome?;
        }
        Ok(due)
    }

    /// Asks a hold whether it is public, who may write, and, if it is public, for its pull counts.
    async fn look_up_hold(&self, hold: Did) -> Result<(), StorageError> {
        let asked_us = (self.clock)();
        // A DID of another form is a hold from which nobody can read.
        let Ok(known) = HoldId::of_did(&hold) else {
            return self.index.set_hold_is_public(&hold, Some(false), asked_us).await;
        };
        let captain = timeout(TIME, self.holds.captain(&known)).await;
        let is_public = captain.ok().and_then(Result::ok).map(|captain| captain.public);
        self.index.set_hold_is_public(&hold, is_public, asked_us).await?;
        if is_public.is_none() {
            return Ok(());
        }
        // What cannot be read stays as it was. An event that comes while it is read makes the hold due in a minute.
        match timeout(LIST_TIME, self.holds.writers(&known)).await {
            Ok(Ok(crew)) => self.index.set_crew(&hold, crew).await?,
            _ => self.index.crew_failed(&hold).await?,
        }
        if is_public == Some(false) {
            return Ok(());
        }
        match timeout(LIST_TIME, self.holds.all_stats(&known, MAX_STATS_PAGES)).await {
            Ok(Ok(stats)) => self.index.set_pull_counts(&hold, stats.into_iter().map(Into::into).collect()).await,
            _ => Ok(()),
        }
    }

    /// Looks whether an account's domain confirms its handle. An account is asked about once in a minute at most, however
    /// many events it has: its document is not read more often, and an answer may be older than the last event.
    ///
    /// A first check takes the document that is cached, as no event says that it is outdated: reading it again would
    /// keep a push in the next minute from finding that the account has moved.
    async fn look_up_handle(&self, due: DueHandle) -> Result<(), StorageError> {
        let DueHandle { account, is_first } = due;
        let asked_us = (self.clock)();
        let left = self.checked.get(&account).map_or(Duration::ZERO, |at| CHECK_PAUSE.saturating_sub(at.elapsed()));
        if left > Duration::ZERO {
            return self.index.check_handle_later(&account, asked_us.saturating_add(micros(left))).await;
        }
        let look_up = async {
            if !is_first {
                return self.owners.current_handle(&account, &Caller::Program).await;
            }
            let found = self.owners.find(&Owner::Did(account.clone()), &Caller::Program).await?;
            self.owners.proven_handle(&found, &Caller::Program).await
        };
        let handle = match timeout(TIME, look_up).await {
            Ok(Err(ResolveError::NotFound | ResolveError::Invalid(_) | ResolveError::Unsupported(_))) => Ok(None),
            Ok(answer) => answer.map_err(drop),
            Err(_) => Err(()),
        };
        if !self.settings.is_on() {
            self.look_up_status(&account).await?;
        }
        if !is_first {
            self.checked.insert(account.clone(), Instant::now());
        }
        self.index.set_handle(&account, handle, asked_us).await
    }

    /// Asks an account's PDS whether the account is active, where no event says so.
    async fn look_up_status(&self, account: &Did) -> Result<(), StorageError> {
        let look_up = async {
            let found = self.owners.find(&Owner::Did(account.clone()), &Caller::Program).await.ok()?;
            self.repos.is_active(&found).await
        };
        match timeout(TIME, look_up).await.ok().flatten() {
            Some(is_active) => {
                let kind = ChangeKind::Active(is_active);
                self.index.apply(vec![Change { account: account.clone(), kind }], None).await
            }
            None => Ok(()),
        }
    }
}
