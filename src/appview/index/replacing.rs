//! Replacement of an account's records by a listing. Changes that come during the listing may be newer than it: they
//! are kept, and applied again after it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Change, ChangeKind, Index, LIST_AGAIN_US, LookUpKind, tables};
use atproto::syntax::{Did, micros};
use server::nonpoison::Mutex;
use server::sqlite::Write;
use server::storage::StorageError;

/// Maximum number of changes in one transaction.
pub(super) const BATCH: usize = 500;
/// Maximum number of kept changes of one account; beyond it the account is listed again.
const MAX_KEPT: usize = 2000;

/// Time until an account is listed for which no slot was free, in microseconds: five minutes.
const LIST_LATER_US: u64 = 5 * 60 * 1_000_000;

/// A listing of an account's records that was begun.
pub struct Listing {
    account: Did,
    number: u64,
    begun_us: u64,
}

/// Listings under way, by account.
#[derive(Default)]
pub(super) struct Listings(Mutex<ListingsState>);

#[derive(Default)]
struct ListingsState {
    /// Number of listings that were begun.
    begun: u64,
    /// Number of the account's listing, and changes that came since its begin.
    under_way: HashMap<Did, (u64, Vec<Change>)>,
}

impl ListingsState {
    /// Returns the changes kept for a listing, unless it was ended.
    fn kept(&mut self, listing: &Listing) -> Option<&mut Vec<Change>> {
        let (number, kept) = self.under_way.get_mut(&listing.account)?;
        (*number == listing.number).then_some(kept)
    }
}

impl Listings {
    fn begin(&self, account: &Did) -> u64 {
        let mut state = self.0.lock();
        state.begun += 1;
        let number = state.begun;
        state.under_way.insert(account.clone(), (number, Vec::new()));
        number
    }

    /// Keeps the changes of accounts that are being listed.
    pub(super) fn keep(&self, changes: &[Change]) {
        let under_way = &mut self.0.lock().under_way;
        if under_way.is_empty() {
            return;
        }
        for change in changes {
            match under_way.get_mut(&change.account) {
                Some((_, kept)) if kept.len() < MAX_KEPT => kept.push(change.clone()),
                Some((_, kept)) if kept.len() == MAX_KEPT => {
                    kept.push(Change { account: change.account.clone(), kind: ChangeKind::Relist });
                }
                _ => {}
            }
        }
    }

    /// Ends the listing of an account, if one is under way. In the transaction that forgets the account, nothing of the
    /// listing is written after it.
    pub(super) fn end(&self, account: &Did) {
        self.0.lock().under_way.remove(account);
    }

    fn is_under_way(&self, listing: &Listing) -> bool {
        self.0.lock().kept(listing).is_some()
    }

    /// Takes the changes kept for a listing; if there are none, ends it.
    fn take(&self, listing: &Listing) -> Vec<Change> {
        let mut state = self.0.lock();
        let kept = state.kept(listing).map(std::mem::take);
        if kept.as_ref().is_some_and(Vec::is_empty) {
            state.under_way.remove(&listing.account);
        }
        kept.unwrap_or_default()
    }
}

impl Index {
    /// Notes that an account is being listed.
    pub fn begin_listing(&self, account: &Did) -> Listing {
        let begun_us = (self.clock)();
        Listing { account: account.clone(), number: self.listings.begin(account), begun_us }
    }

    /// Replaces the records of an account by those that were listed. Nothing more is written once the account is
    /// forgotten, or another listing of it was begun.
    ///
    /// # Errors
    /// When the database fails; the same below. The account is then listed again.
    pub async fn replace(&self, listing: Listing, listed: Vec<Change>) -> Result<(), StorageError> {
        let listing = Arc::new(listing);
        let replaced = self.replace_by(&listing, listed).await;
        if self.listings.is_under_way(&listing) {
            self.listings.end(&listing.account);
        }
        self.retries.answered(LookUpKind::Records, &listing.account);
        replaced
    }

    async fn replace_by(&self, listing: &Arc<Listing>, listed: Vec<Change>) -> Result<(), StorageError> {
        let clear = Change { account: listing.account.clone(), kind: ChangeKind::Clear };
        let mut changes = std::iter::once(clear).chain(listed).peekable();
        // In batches, so that other writes come between them. After a crash between two the account is listed again.
        while changes.peek().is_some() {
            self.write_listed(listing, changes.by_ref().take(BATCH).collect()).await?;
        }
        loop {
            let newer = self.listings.take(listing);
            if newer.is_empty() {
                break;
            }
            self.write_listed(listing, newer).await?;
        }
        let listing = Arc::clone(listing);
        // It stays due if it became due since the begin: it has records that were not listed.
        let job = move |write: &Write<'_>| tables::accounts::listed(write, &listing.account, listing.begun_us);
        self.database.write(job).await
    }

    /// Applies changes of a listing, if the listing was not ended.
    async fn write_listed(&self, listing: &Arc<Listing>, changes: Vec<Change>) -> Result<(), StorageError> {
        let (listing, listings) = (Arc::clone(listing), Arc::clone(&self.listings));
        self.write_if(changes, None, move |write| {
            // The account may have been forgotten before the listing was begun.
            Ok(listings.is_under_way(&listing) && tables::accounts::is_to_be_listed(write, &listing.account)?)
        })
        .await
    }

    /// Ends the listing of an account that failed. It is tried again later: after the time that its server asked for at
    /// the earliest, a day at most.
    ///
    /// # Errors
    /// As [`Index::replace`].
    pub async fn listing_failed(&self, account: &Did, asked: Duration) -> Result<(), StorageError> {
        self.listings.end(account);
        let pause_us = self.retries.pause_us(LookUpKind::Records, account, false, LIST_AGAIN_US);
        self.set_list_time(account, Some((self.clock)() + pause_us.max(bounded_us(asked)))).await
    }

    /// Ends the listing of an account that does not exist, or whose server refuses it.
    ///
    /// # Errors
    /// As [`Index::replace`].
    pub async fn listing_refused(&self, account: &Did) -> Result<(), StorageError> {
        self.listings.end(account);
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
        self.database.write(move |write| tables::accounts::set_list_time(write, &account, at_us)).await
    }
}

/// Returns a time that another server asked for, a day at most, in microseconds.
fn bounded_us(asked: Duration) -> u64 {
    micros(asked).min(LIST_AGAIN_US)
}
