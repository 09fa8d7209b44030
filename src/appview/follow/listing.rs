//! Listing of an account's records: of new accounts, and of all when events were missed.
//!
//! A PDS that is slow has no more than its share of the slots, however many accounts it has: those of others are listed
//! beside them, and its own that find no slot come later.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;

use super::{COLLECTIONS, Follow};
use crate::index::Change;
use crate::names::Owner;
use crate::repos::ReposError;
use atproto::syntax::{Did, micros};
use server::bulkhead::{BulkheadLimits, Caller};
use server::identity::{Account, ListError, ResolveError};
use server::storage::StorageError;

/// Number of accounts that are listed, or wait for a slot.
const UNDER_WAY: usize = 32;
/// Slots of listings: the records of one account need some 10 MB of memory at most. The callers are PDSes.
pub(super) const SLOTS: BulkheadLimits = BulkheadLimits {
    slots: 3,
    slots_per_caller: 2,
    queue: UNDER_WAY,
    queue_per_caller: UNDER_WAY,
    max_wait: Duration::from_secs(30),
};
/// Maximum number of pages of 100 records of one collection.
const MAX_PAGES: usize = 60;
/// Time-out of all collections of an account together.
const TIME: Duration = Duration::from_secs(120);
/// Interval between looks for due listings.
const INTERVAL: Duration = Duration::from_secs(30);
/// Longest time for which a PDS is left alone as it asked, with all its accounts.
const LONGEST_QUIET: Duration = Duration::from_hours(6);
/// PDSes that are remembered to be left alone, at some 100 bytes each.
pub(super) const MAX_QUIET: usize = 1024;

/// Reasons why an account was not listed.
enum Unlisted {
    /// There is no such account, or its server refuses.
    Refused,
    /// A transient error: the listing is tried again after this time at the earliest.
    Failed(String, Duration),
    /// Others had the slots, or the server asked for this time without requests.
    Later(Duration),
}

impl Follow {
    /// Lists the accounts that are due, as long as the registry runs.
    pub async fn keep_listing(&self) {
        let mut wakes = self.index.wakes();
        let (mut under_way, mut lists) = (HashSet::new(), FuturesUnordered::new());
        loop {
            let free = UNDER_WAY - under_way.len();
            // Those under way are due as well until they end.
            let due = self.index.due_lists(UNDER_WAY).await;
            let due = due.map(|due| due.into_iter().filter(|account| !under_way.contains(account)).take(free));
            let new: Vec<Did> = match due {
                Ok(due) => due.collect(),
                Err(error) => {
                    tracing::warn!(%error, "what accounts have cannot be listed");
                    tokio::time::sleep(INTERVAL).await;
                    continue;
                }
            };
            for account in new {
                under_way.insert(account.clone());
                lists.push(async move {
                    let outcome = self.list(account.clone()).await;
                    (account, outcome)
                });
            }
            tokio::select! {
                Some((account, outcome)) = lists.next(), if !under_way.is_empty() => {
                    if let Err(error) = outcome {
                        tracing::warn!(%error, "what an account has cannot be listed");
                        tokio::time::sleep(INTERVAL).await;
                    }
                    under_way.remove(&account);
                }
                _ = timeout(INTERVAL, wakes.changed()), if under_way.len() < UNDER_WAY => {}
            }
        }
    }

    async fn list(&self, account: Did) -> Result<(), StorageError> {
        let found = match self.found(&account).await {
            Ok(found) => found,
            Err(unlisted) => return self.put_off(&account, unlisted).await,
        };
        let pds = found.pds.clone().unwrap_or_default();
        // Kept to the end: until then the records are in memory.
        let Ok(_slot) = self.listings.enter(&pds).await else {
            return self.put_off(&account, Unlisted::Later(Duration::ZERO)).await;
        };
        // It may have asked for that while this account waited for its slot.
        let quiet_us = self.quiet.get(&pds).map_or(0, |until_us| until_us.saturating_sub((self.clock)()));
        if quiet_us > 0 {
            return self.put_off(&account, Unlisted::Later(Duration::from_micros(quiet_us))).await;
        }
        let listing = self.index.begin_listing(&account);
        let late = |_| Err(Unlisted::Failed("it is too slow".into(), Duration::ZERO));
        let listed = timeout(TIME, self.records_of(&found)).await.unwrap_or_else(late);
        if let Err(Unlisted::Failed(_, asked)) = listed
            && asked > Duration::ZERO
        {
            let asked_us = micros(asked.min(LONGEST_QUIET));
            self.quiet.insert(pds, (self.clock)().saturating_add(asked_us));
        }
        match listed {
            Ok(changes) => self.index.replace(listing, changes).await,
            Err(unlisted) => self.put_off(&account, unlisted).await,
        }
    }

    /// Ends a listing without records.
    async fn put_off(&self, account: &Did, unlisted: Unlisted) -> Result<(), StorageError> {
        match unlisted {
            Unlisted::Refused => self.index.listing_refused(account).await,
            Unlisted::Later(wait) => self.index.list_later(account, wait).await,
            Unlisted::Failed(reason, asked) => {
                tracing::info!(did = %account, "the records of {account} cannot be listed yet: {reason}");
                self.index.listing_failed(account, asked).await
            }
        }
    }

    async fn found(&self, did: &Did) -> Result<Arc<Account>, Unlisted> {
        self.owners.find(&Owner::Did(did.clone()), &Caller::Program).await.map_err(|error| match error {
            ResolveError::NotFound | ResolveError::Invalid(_) | ResolveError::Unsupported(_) => Unlisted::Refused,
            ResolveError::Busy(_) => Unlisted::Later(Duration::ZERO),
            error => Unlisted::Failed(error.to_string(), Duration::ZERO),
        })
    }

    /// Returns changes that set all records of an account, up to the maximum number of pages.
    async fn records_of(&self, account: &Account) -> Result<Vec<Change>, Unlisted> {
        let (now_us, mut changes) = ((self.clock)(), Vec::new());
        for collection in COLLECTIONS {
            let listing = self.repos.each_record(account, collection, MAX_PAGES, |view| {
                let key = view.uri.as_str().rsplit('/').next().unwrap_or_default();
                changes.extend(Change::of(&account.did, &collection, key, Some(&view.value), now_us));
                ControlFlow::Continue(())
            });
            match listing.await {
                // An account with more pages has the first ones in the index.
                Ok(()) | Err(ReposError::TooMany) => {}
                Err(ReposError::List(ListError::Refused(_))) => return Err(Unlisted::Refused),
                Err(error) => {
                    return Err(Unlisted::Failed(error.to_string(), error.retry_after().unwrap_or_default()));
                }
            }
        }
        Ok(changes)
    }
}
