//! The search index: repositories by owner, name, description and tags, with their stars.
//!
//! It gets the records that this program writes ([`Index::written`]), and those from the network ([`Index::apply`]).
//! Records are checked for their form only: their content is unproven, and pages say so. The records of each account
//! are limited, and so are those of all together: the oldest repositories are forgotten.
//!
//! Search results have only repositories at public holds; the index asks each hold whether it is public.

mod change;
mod holds;
mod indexed;
mod page_words;
mod query;
mod replacing;
mod retries;
mod search;
pub mod tables;
mod writes;

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use atproto::lexicon::nsid::Collection;
use atproto::syntax::{Did, Handle, ImageName, RecordKey};
use server::sqlite::{Database, Read, Write};
use server::storage::StorageError;

pub use change::{Change, ChangeKind, MAX_COUNT, PullCount, WrittenManifest, WrittenTag};
pub use indexed::{IndexedAccount, IndexedManifest, IndexedRepository, IndexedStar, IndexedTag};
pub use query::{Position, RepositoryOrder, SearchWords};
pub use replacing::Listing;
use replacing::Listings;
use retries::{LookUpKind, Retries};
pub use search::FoundRepositories;
pub use tables::IndexTotals;
pub use tables::accounts::DueHandle;
pub use tables::search::FoundRepository;
use writes::Writes;
pub use writes::Writing;

/// Limit of records of one account; beyond it, its oldest repositories are forgotten.
const MAX_OF_ACCOUNT: u64 = 25_000;
/// Interval at which an account's handle is checked.
const HANDLE_FRESH_US: u64 = 24 * 60 * 60 * 1_000_000;
/// Longest interval after a failed listing.
const LIST_AGAIN_US: u64 = 24 * 60 * 60 * 1_000_000;

/// The position in a source of events up to which its events are in the index.
#[derive(Clone, Debug)]
pub struct SourceCursor {
    /// Name of the source.
    pub source: String,
    /// The position, as the source counts it.
    pub cursor: u64,
}

/// The stars of a repository.
#[derive(Clone, Debug, PartialEq)]
pub struct StarCount {
    /// Number of accounts that gave it one.
    pub count: u64,
    /// Key of the viewer's own star record, if there is one.
    pub own: Option<RecordKey>,
}

/// Limits of the index.
#[derive(Clone, Copy, Debug)]
pub struct IndexLimits {
    /// Limit of repositories, tags, manifests and stars of one account.
    pub of_account: u64,
    /// Limit of repositories, tags, manifests and stars of all accounts.
    pub total: u64,
    /// Whether the records of a new account are listed: true if events are followed.
    pub lists_new: bool,
}

impl IndexLimits {
    /// Returns limits with `total` records of all accounts.
    #[must_use]
    pub fn of_total(total: u64) -> Self {
        Self { of_account: MAX_OF_ACCOUNT.min(total), total, lists_new: false }
    }
}

/// The search index.
pub struct Index {
    database: Database,
    limits: IndexLimits,
    clock: fn() -> u64,
    /// Wakes those who make look-ups and list records.
    wake: watch::Sender<()>,
    listings: Arc<Listings>,
    writes: Arc<Writes>,
    retries: Retries,
}

impl Index {
    /// Makes the index in `database`.
    #[must_use]
    pub fn new(database: Database, limits: IndexLimits, clock: fn() -> u64) -> Self {
        Self {
            database,
            limits,
            clock,
            wake: watch::Sender::default(),
            listings: Arc::default(),
            writes: Arc::default(),
            retries: Retries::default(),
        }
    }

    /// Notes that this program begins to write or delete a record of an account.
    #[must_use]
    pub fn begin_write(&self, account: &Did) -> Writing {
        self.writes.begin(account)
    }

    /// Updates the index after this program wrote or deleted (`None`) a record, unless the account was forgotten since the
    /// begin. An error is only logged: the record itself is stored.
    pub async fn written(&self, writing: &Writing, collection: Collection, key: &RecordKey, record: Option<&Value>) {
        let account = writing.account();
        let Some(change) = Change::of(account, collection.as_str(), key.as_str(), record, (self.clock)()) else {
            return;
        };
        self.listings.keep(std::slice::from_ref(&change));
        let (writes, number) = (Arc::clone(&self.writes), writing.number());
        if let Err(error) = self.write_if(vec![change], None, move |_| Ok(writes.is_under_way(number))).await {
            tracing::warn!(did = %account, "the index was not told of a record: {error}");
        }
    }

    /// Applies changes in their order, and stores the cursor of their source, in one transaction.
    ///
    /// # Errors
    /// When the database fails; the same below.
    pub async fn apply(&self, changes: Vec<Change>, cursor: Option<SourceCursor>) -> Result<(), StorageError> {
        self.listings.keep(&changes);
        self.write(changes, cursor).await
    }

    async fn write(&self, changes: Vec<Change>, cursor: Option<SourceCursor>) -> Result<(), StorageError> {
        self.write_if(changes, cursor, |_| Ok(true)).await
    }

    /// Applies changes and stores a cursor, if `is_wanted` returns true in the same transaction.
    async fn write_if(
        &self,
        changes: Vec<Change>,
        cursor: Option<SourceCursor>,
        is_wanted: impl FnOnce(&Write<'_>) -> Result<bool, StorageError> + Send + 'static,
    ) -> Result<(), StorageError> {
        let (limits, now_us) = (self.limits, (self.clock)());
        let (listings, writes) = (Arc::clone(&self.listings), Arc::clone(&self.writes));
        let apply = move |write: &Write<'_>| {
            if !is_wanted(write)? {
                return Ok::<_, StorageError>(false);
            }
            for gone in changes.iter().filter(|change| change.kind == ChangeKind::Gone) {
                listings.end(&gone.account);
                writes.end(&gone.account);
            }
            tables::apply(write, &changes, cursor.as_ref(), limits, now_us)
        };
        if self.database.write(apply).await? {
            self.wake.send_replace(());
        }
        Ok(())
    }

    /// Returns the stored cursor of a source.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn cursor(&self, source: &str) -> Result<Option<u64>, StorageError> {
        let source = source.to_owned();
        self.database.read(move |read| tables::cursor(read, &source)).await
    }

    /// Returns a receiver that is notified when look-ups or listings become due.
    #[must_use]
    pub fn wakes(&self) -> watch::Receiver<()> {
        self.wake.subscribe()
    }

    /// Forgets the cursor of a source.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn forget_cursor(&self, source: &str) -> Result<(), StorageError> {
        let source = source.to_owned();
        self.database.write(move |write| tables::forget_cursor(write, &source)).await
    }

    /// Returns accounts whose handles are to be checked.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn due_handles(&self, limit: usize) -> Result<Vec<DueHandle>, StorageError> {
        let now_us = (self.clock)();
        self.database.read(move |read| tables::accounts::due_handles(read, now_us, limit)).await
    }

    /// Stores the handle of an account that its domain confirmed when it was asked at `asked_us`, `None` if it has none;
    /// `Err` when that could not be checked. An answer that is older than an event of the account is not stored.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn set_handle(
        &self,
        account: &Did,
        handle: Result<Option<Handle>, ()>,
        asked_us: u64,
    ) -> Result<(), StorageError> {
        let (account, now_us) = (account.clone(), (self.clock)());
        let next_us = now_us + self.retries.pause_us(LookUpKind::Handle, &account, handle.is_ok(), HANDLE_FRESH_US);
        self.database
            .write(move |write| tables::account_records::set_handle(write, &account, handle, asked_us, next_us))
            .await
    }

    /// Has an account's handle checked later, at `at_us`.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn check_handle_later(&self, account: &Did, at_us: u64) -> Result<(), StorageError> {
        let account = account.clone();
        self.database.write(move |write| tables::accounts::check_handle_later(write, &account, at_us)).await
    }

    /// Returns whether an account is inactive at its server, as far as the index knows.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn is_inactive(&self, account: &Did) -> Result<bool, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::accounts::is_inactive(read, &account)).await
    }

    /// Returns accounts whose records are to be listed.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn due_lists(&self, limit: usize) -> Result<Vec<Did>, StorageError> {
        let now_us = (self.clock)();
        self.database.read(move |read| tables::accounts::due_lists(read, now_us, limit)).await
    }

    /// Rebuilds the full-text index, and has all known accounts and `accounts` listed again. Returns the number of
    /// accounts. For an index that lost rows, or whose full-text index is damaged.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn restore(&self, accounts: Vec<Did>) -> Result<usize, StorageError> {
        self.database.write(tables::search::clear_words).await?;
        let mut last = Some(0);
        while let Some(after) = last {
            // In batches, so that other writes come between them.
            last = self.database.write(move |write| tables::records::words_behind(write, after)).await?;
        }
        let list = |account| Change { account, kind: ChangeKind::List };
        self.write(accounts.into_iter().map(list).collect(), None).await?;
        self.rebuild().await
    }

    /// Has the records of all known accounts listed again. Returns the number of accounts.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn rebuild(&self) -> Result<usize, StorageError> {
        let now_us = (self.clock)();
        let accounts = self.database.write(move |write| tables::accounts::list_all(write, now_us)).await?;
        self.wake.send_replace(());
        Ok(accounts)
    }

    /// Returns the stars of a repository.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn stars(&self, owner: &Did, name: &ImageName, viewer: Option<&Did>) -> Result<StarCount, StorageError> {
        let (owner, name, viewer) = (owner.clone(), name.clone(), viewer.cloned());
        let read = move |read: &Read<'_>| {
            let own = match &viewer {
                Some(viewer) => tables::stars::key_of(read, viewer, &owner, &name)?,
                None => None,
            };
            Ok::<_, StorageError>(StarCount { count: tables::stars::count(read, &owner, &name)?, own })
        };
        self.database.read(read).await
    }

    /// Forgets the oldest repositories beyond the limit. Returns the number that were forgotten.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn sweep(&self) -> Result<usize, StorageError> {
        let mut swept = 0;
        loop {
            let total = self.limits.total;
            // In batches, so that other writes come between them.
            match self.database.write(move |write| tables::sweep(write, total)).await? {
                0 => return Ok(swept),
                repositories => swept += repositories,
            }
        }
    }

    /// Returns the totals of the index.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn totals(&self) -> Result<IndexTotals, StorageError> {
        self.database.read(tables::totals).await
    }

    /// Forgets an account and all of its records. Returns whether it was known.
    ///
    /// # Errors
    /// As [`Index::apply`].
    pub async fn forget(&self, account: &Did) -> Result<bool, StorageError> {
        let (account, listings, writes) = (account.clone(), Arc::clone(&self.listings), Arc::clone(&self.writes));
        let forget = move |write: &Write<'_>| {
            listings.end(&account);
            writes.end(&account);
            tables::account_records::forget(write, &account)
        };
        self.database.write(forget).await
    }

    /// Returns the records of an account in the index; `None` when the account is not known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of_account(&self, account: &Did) -> Result<Option<IndexedAccount>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::indexed::of_account(read, &account)).await
    }
}
