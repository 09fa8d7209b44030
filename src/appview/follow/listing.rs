//! Listing of an account's records: of new accounts, and of all when events were missed.

use std::ops::ControlFlow;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::timeout;

use super::{COLLECTIONS, Follow};
use crate::index::Change;
use crate::names::Owner;
use crate::repos::ReposError;
use atproto::syntax::Did;
use server::bulkhead::Caller;
use server::identity::{ListError, ResolveError};
use server::storage::StorageError;

/// Number of accounts that are listed at once: the records of one need some 10 MB of memory at most.
const AT_ONCE: usize = 3;
const ROUND: usize = 16;
/// Maximum number of pages of 100 records of one collection.
const MAX_PAGES: usize = 60;
/// Time-out of all collections of an account together.
const TIME: Duration = Duration::from_secs(120);
const OFTEN: Duration = Duration::from_secs(30);

/// The result of listing an account.
enum Listed {
    /// Changes that set all of its records, up to the maximum number of pages.
    Changes(Vec<Change>),
    /// There is no such account, or its server refuses.
    Refused,
    /// A transient error: the listing is tried again later.
    Failed(String),
}

impl Follow {
    /// Lists the accounts that are due, as long as the registry runs.
    pub async fn keep_listing(&self) {
        let mut wakes = self.index.wakes();
        loop {
            match self.list_due().await {
                Ok(listed) if listed >= ROUND => {}
                Ok(_) => drop(timeout(OFTEN, wakes.changed()).await),
                Err(error) => {
                    tracing::warn!(%error, "what accounts have cannot be listed");
                    tokio::time::sleep(OFTEN).await;
                }
            }
        }
    }

    /// Lists a round of accounts. Returns their number.
    async fn list_due(&self) -> Result<usize, StorageError> {
        let accounts = self.index.due_lists(ROUND).await?;
        let listed = accounts.len();
        let mut lists = stream::iter(accounts.into_iter().map(|account| self.list(account))).buffer_unordered(AT_ONCE);
        while let Some(outcome) = lists.next().await {
            outcome?;
        }
        Ok(listed)
    }

    async fn list(&self, account: Did) -> Result<(), StorageError> {
        self.index.begin_listing(&account);
        let late = |_| Listed::Failed("it is too slow".into());
        match timeout(TIME, self.records_of(&account)).await.unwrap_or_else(late) {
            Listed::Changes(changes) => self.index.replace(&account, changes).await,
            Listed::Refused => self.index.not_listed(&account, false).await,
            Listed::Failed(reason) => {
                tracing::info!(did = %account, "the records of {account} cannot be listed yet: {reason}");
                self.index.not_listed(&account, true).await
            }
        }
    }

    async fn records_of(&self, did: &Did) -> Listed {
        let account = match self.owners.find(&Owner::Did(did.clone()), &Caller::Program).await {
            Ok(account) => account,
            Err(ResolveError::NotFound | ResolveError::Invalid(_) | ResolveError::Unsupported(_)) => {
                return Listed::Refused;
            }
            Err(error) => return Listed::Failed(error.to_string()),
        };
        let (now_us, mut changes) = ((self.clock)(), Vec::new());
        for collection in COLLECTIONS {
            let listing = self.repos.each_record(&account, collection, MAX_PAGES, |view| {
                let key = view.uri.as_str().rsplit('/').next().unwrap_or_default();
                changes.extend(Change::of(did, &collection, key, Some(&view.value), now_us));
                ControlFlow::Continue(())
            });
            match listing.await {
                // An account with more pages has the first ones in the index.
                Ok(()) | Err(ReposError::TooMany) => {}
                Err(ReposError::List(ListError::Refused(_))) => return Listed::Refused,
                Err(error) => return Listed::Failed(error.to_string()),
            }
        }
        Listed::Changes(changes)
    }
}
