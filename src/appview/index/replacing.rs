//! Replacement of an account's records by a listing. Changes that come during the listing may be newer than it: they
//! are kept, and applied again after it.

use std::collections::HashMap;
use std::time::Duration;

use super::{Change, ChangeKind, Index, LIST_AGAIN_US, LookUpKind, tables};
use atproto::syntax::{Did, micros};
use server::nonpoison::Mutex;
use server::storage::StorageError;

/// Maximum number of changes in one transaction.
pub(super) const BATCH: usize = 500;
/// Maximum number of kept changes of one account; beyond it the account is listed again.
const MAX_KEPT: usize = 2000;

/// Time until an account is listed for which no slot was free, in microseconds: five minutes.
const LIST_LATER_US: u64 = 5 * 60 * 1_000_000;

/// Changes that came for accounts during their listing.
#[derive(Default)]
pub(super) struct Listings(Mutex<HashMap<Did, Vec<Change>>>);

impl Listings {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Did, Vec<Change>>) -> T) -> T {
        work(&mut self.0.lock())
    }

    /// Keeps the changes of accounts that are being listed.
    pub(super) fn keep(&self, changes: &[Change]) {
        self.with(|listings| {
            if listings.is_empty() {
                return;
            }
            for change in changes {
                match listings.get_mut(&change.account) {
                    Some(kept) if kept.len() < MAX_KEPT => kept.push(change.clone()),
                    Some(kept) if kept.len() == MAX_KEPT => {
                        kept.push(Change { account: change.account.clone(), kind: ChangeKind::Relist });
                    }
                    _ => {}
                }
            }
        });
    }

    /// Takes the kept changes of an account; if there are none, ends its listing.
    fn take(&self, account: &Did) -> Vec<Change> {
        self.with(|listings| {
            let kept = listings.get_mut(account).map(std::mem::take).unwrap_or_default();
            if kept.is_empty() {
                listings.remove(account);
            }
            kept
        })
    }
}

impl Index {
    /// Notes that an account is being listed.
    pub fn begin_listing(&self, account: &Did) {
        self.listings.with(|listings| listings.insert(account.clone(), Vec::new()));
    }

    /// Replaces the records of an account by those that were listed.
    ///
    /// # Errors
    /// When the database fails; the same below. The account is then listed again.
    pub async fn replace(&self, account: &Did, listed: Vec<Change>) -> Result<(), StorageError> {
        let replaced = self.replace_by(account, listed).await;
        self.listings.with(|listings| listings.remove(account));
        self.retries.answered(LookUpKind::Records, account);
        replaced
    }

    async fn replace_by(&self, account: &Did, listed: Vec<Change>) -> Result<(), StorageError> {
        let clear = Change { account: account.clone(), kind: ChangeKind::Clear };
        let mut changes = std::iter::once(clear).chain(listed).peekable();
        // In batches, so that other writes come between them. After a crash between two the account is listed again.
        while changes.peek().is_some() {
            self.write(changes.by_ref().take(BATCH).collect(), None).await?;
        }
        self.set_list_time(account, None).await?;
        loop {
            let newer = self.listings.take(account);
            if newer.is_empty() {
                return Ok(());
            }
            self.write(newer, None).await?;
        }
    }

    /// Ends the listing of an account that failed. It is tried again later: after the time that its server asked for at
    /// the earliest, a day at most.
    ///
    /// # Errors
    /// As [`Index::replace`].
    pub async fn listing_failed(&self, account: &Did, asked: Duration) -> Result<(), StorageError> {
        self.listings.with(|listings| listings.remove(account));
        let pause_us = self.retries.pause_us(LookUpKind::Records, account, false, LIST_AGAIN_US);
        self.set_list_time(account, Some((self.clock)() + pause_us.max(bounded_us(asked)))).await
    }

    /// Ends the listing of an account that does not exist, or whose server refuses it.
    ///
    /// # Errors
    /// As [`Index::replace`].
    pub async fn listing_refused(&self, account: &Did) -> Result<(), StorageError> {
        self.listings.with(|listings| listings.remove(account));
        self.retries.answered(LookUpKind::Records, account);
        self.set_list_time(account, None).await
    }

    /// Has an account listed later that was not listed now, as others had the slots, or its server takes nothing: in some
    /// minutes, after `wait` at the earliest, and a day at most.
    ///
    /// # Errors
    /// As [`Index::replace`].
    pub async fn list_later(&self, account: &Did, wait: Duration) -> Result<(), StorageError> {
        self.set_list_time(account, Some((self.clock)() + LIST_LATER_US.max(bounded_us(wait)))).await
    }

    async fn set_list_time(&self, account: &Did, at_us: Option<u64>) -> Result<(), StorageError> {
        let account = account.clone();
        self.database.write(move |write| tables::accounts::listed(write, &account, at_us)).await
    }
}

/// Returns a time that another server asked for, a day at most, in microseconds.
fn bounded_us(asked: Duration) -> u64 {
    micros(asked).min(LIST_AGAIN_US)
}
