//! Asks holds and accounts' domains, a few at once: each is a host that a stranger named.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::timeout;

use super::Follow;
use crate::names::Owner;
use atproto::syntax::{Did, ServiceUrl};
use server::bulkhead::Caller;
use server::identity::ResolveError;
use server::storage::StorageError;

/// Who is asked at once, and of how many a round is.
const AT_ONCE: usize = 8;
const ROUND: usize = 64;
/// What one answer may take.
const TIME: Duration = Duration::from_secs(5);
/// What the crew of a hold may take, and all its counts, and pages of 100 that are read of these.
const LIST_TIME: Duration = Duration::from_secs(20);
const MAX_STATS_PAGES: usize = 50;
/// How often it is looked who is to be asked again.
const OFTEN: Duration = Duration::from_secs(30);

impl Follow {
    /// Asks whoever is to be asked, as long as the registry runs.
    pub async fn keep_asking(&self) {
        let mut wakes = self.index.wakes();
        loop {
            match self.ask_due().await {
                // There may be more.
                Ok(asked) if asked >= ROUND => {}
                Ok(_) => drop(timeout(OFTEN, wakes.changed()).await),
                Err(error) => {
                    tracing::warn!(%error, "the index cannot be kept up");
                    tokio::time::sleep(OFTEN).await;
                }
            }
        }
    }

    /// Asks a round of holds and of accounts; answers how many.
    async fn ask_due(&self) -> Result<usize, StorageError> {
        let (holds, accounts) = (self.index.due_holds(ROUND).await?, self.index.due_handles(ROUND).await?);
        let asked = holds.len() + accounts.len();
        let mut holds = stream::iter(holds.into_iter().map(|hold| self.ask_hold(hold))).buffer_unordered(AT_ONCE);
        while let Some(outcome) = holds.next().await {
            outcome?;
        }
        let asking = accounts.into_iter().map(|account| self.ask_handle(account));
        let mut accounts = stream::iter(asking).buffer_unordered(AT_ONCE);
        while let Some(outcome) = accounts.next().await {
            outcome?;
        }
        Ok(asked)
    }

    async fn ask_hold(&self, hold: Did) -> Result<(), StorageError> {
        // One that cannot be asked is one that nobody can read from.
        let Ok(url) = ServiceUrl::of_did(&hold) else { return self.index.hold_said(&hold, Some(false)).await };
        let captain = timeout(TIME, self.holds.captain(&url)).await;
        let is_public = captain.ok().and_then(Result::ok).map(|captain| captain.public);
        self.index.hold_said(&hold, is_public).await?;
        if is_public.is_none() {
            return Ok(());
        }
        // What does not come is as it was before.
        if let Ok(Ok(crew)) = timeout(LIST_TIME, self.holds.writers(&url)).await {
            self.index.crew_said(&hold, crew).await?;
        }
        if is_public == Some(false) {
            return Ok(());
        }
        match timeout(LIST_TIME, self.holds.all_stats(&url, MAX_STATS_PAGES)).await {
            Ok(Ok(stats)) => {
                let counts = stats.into_iter().map(|stats| (stats.owner_did, stats.repository, stats.pull_count));
                self.index.counted(&hold, counts.collect()).await
            }
            _ => Ok(()),
        }
    }

    async fn ask_handle(&self, account: Did) -> Result<(), StorageError> {
        let ask = async {
            let found = self.owners.find(&Owner::Did(account.clone()), &Caller::Program).await?;
            self.owners.proven_handle(&found, &Caller::Program).await
        };
        let handle = match timeout(TIME, ask).await {
            Ok(Err(ResolveError::NotFound | ResolveError::Invalid(_) | ResolveError::Unsupported(_))) => Ok(None),
            Ok(answer) => answer.map_err(drop),
            Err(_) => Err(()),
        };
        self.index.handle_said(&account, handle).await
    }
}
