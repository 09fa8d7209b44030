//! What can be searched for: repositories by owner, name, description and tags, and their stars.
//!
//! What this program writes into repositories passes through here ([`Index::written`]), and what the network tells
//! ([`Index::take`]). Records are believed as far as their form goes: what they say is unproven, and pages say so. What one
//! account may have here is bounded, and so is what all have together: the oldest repositories go.
//!
//! Only what a public hold has is shown; whether one is public is asked of it.

mod change;
mod indexed;
mod query;
mod replacing;
mod search;
pub mod tables;

use serde_json::Value;
use tokio::sync::watch;

use atproto::lexicon::nsid::Collection;
use atproto::syntax::{Did, Handle, ImageName, RecordKey};
use server::sqlite::Database;
use server::storage::StorageError;

pub use change::{Change, MAX_COUNT, RecordOf};
pub use indexed::{IndexedAccount, IndexedManifest, IndexedRepository, IndexedStar, IndexedTag};
pub use query::{Position, RepositoryOrder, SearchWords};
use replacing::{BATCH, Listings};
pub use search::{FoundRepositories, FoundRepository};
pub use tables::IndexTotals;

/// Rows of one account; beyond that its own oldest go.
const MAX_OF_ACCOUNT: u64 = 25_000;
/// A hold is asked again whether it is public after so long.
const HOLD_FRESH_US: u64 = 60 * 60 * 1_000_000;
/// An account's handle is asked about again after so long.
const HANDLE_FRESH_US: u64 = 24 * 60 * 60 * 1_000_000;
/// What could not be asked is asked again after so long.
const RETRY_US: u64 = 5 * 60 * 1_000_000;

/// Whose image was pulled, which, and how often.
pub type PullCount = (Did, ImageName, u64);

/// How the index is bounded.
#[derive(Clone, Copy, Debug)]
pub struct IndexLimits {
    /// Repositories, tags, manifests and stars of one account.
    pub of_account: u64,
    /// The same of all.
    pub total: u64,
    /// Whether the records of an account that was not known are listed: where the network is followed.
    pub lists_new: bool,
}

impl IndexLimits {
    /// With so many records of all accounts together.
    #[must_use]
    pub fn of_total(total: u64) -> Self {
        Self { of_account: MAX_OF_ACCOUNT.min(total), total, lists_new: false }
    }
}

/// The index.
pub struct Index {
    database: Database,
    limits: IndexLimits,
    clock: fn() -> u64,
    /// Somebody is to be asked something.
    wake: watch::Sender<()>,
    listings: Listings,
}

impl Index {
    /// In this database.
    #[must_use]
    pub fn new(database: Database, limits: IndexLimits, clock: fn() -> u64) -> Self {
        Self { database, limits, clock, wake: watch::Sender::default(), listings: Listings::default() }
    }

    /// A record was written through here, or deleted. What fails is logged: the record is where it belongs.
    pub async fn written(&self, account: &Did, collection: Collection, key: &RecordKey, record: Option<&Value>) {
        let Some(change) = Change::of(account, collection.as_str(), key.as_str(), record, (self.clock)()) else {
            return;
        };
        if let Err(error) = self.take(vec![change], None).await {
            tracing::warn!(did = %account, "the index was not told of a record: {error}");
        }
    }

    /// Takes changes in, in their order, and how far their source was followed: all or nothing.
    ///
    /// # Errors
    /// When the database fails; so below.
    pub async fn take(&self, changes: Vec<Change>, cursor: Option<(String, u64)>) -> Result<(), StorageError> {
        self.listings.keep(&changes);
        self.write(changes, cursor).await
    }

    async fn write(&self, changes: Vec<Change>, cursor: Option<(String, u64)>) -> Result<(), StorageError> {
        let (limits, now_us) = (self.limits, (self.clock)());
        let asks =
            self.database.write(move |write| tables::take(write, &changes, cursor.as_ref(), limits, now_us)).await?;
        if asks {
            self.wake.send_replace(());
        }
        Ok(())
    }

    /// How far a source was followed.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub async fn cursor(&self, source: &str) -> Result<Option<u64>, StorageError> {
        let source = source.to_owned();
        self.database.read(move |read| tables::cursor(read, &source)).await
    }

    /// Says when somebody is to be asked something.
    #[must_use]
    pub fn wakes(&self) -> watch::Receiver<()> {
        self.wake.subscribe()
    }

    /// Forgets how far a source was followed.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub async fn forget_cursor(&self, source: &str) -> Result<(), StorageError> {
        let source = source.to_owned();
        self.database.write(move |write| tables::forget_cursor(write, &source)).await
    }

    /// Holds to ask whether they are public. Those that no repository names any more are forgotten.
    ///
    /// # Errors
    /// As [`Index::take`].
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

    /// Who may write to a hold, as it says.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub async fn crew_said(&self, hold: &Did, members: Vec<Did>) -> Result<(), StorageError> {
        let hold = hold.clone();
        self.database.write(move |write| tables::holds::crew_said(write, &hold, &members)).await
    }

    /// Holds to which an account may write, as they said within the hour.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub async fn holds_of(&self, member: &Did, limit: usize) -> Result<Vec<Did>, StorageError> {
        let member = member.clone();
        self.database.read(move |read| tables::holds::of_member(read, &member, limit)).await
    }

    /// How often images were pulled, as this hold counts.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub async fn counted(&self, hold: &Did, counts: Vec<PullCount>) -> Result<(), StorageError> {
        let change = |(owner, name, pulls): PullCount| {
            let of = RecordOf::Stats { owner, name, pulls: pulls.min(MAX_COUNT) };
            Change { account: hold.clone(), of }
        };
        let mut changes = counts.into_iter().map(change).peekable();
        // In pieces: others write between them.
        while changes.peek().is_some() {
            self.take(changes.by_ref().take(BATCH).collect(), None).await?;
        }
        Ok(())
    }

    /// What a hold said: whether it is public; `None` when it did not answer, and what it said before is good.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub async fn hold_said(&self, hold: &Did, is_public: Option<bool>) -> Result<(), StorageError> {
        let (hold, now_us) = (hold.clone(), (self.clock)());
        let next_us = now_us + if is_public.is_some() { HOLD_FRESH_US } else { RETRY_US };
        self.database.write(move |write| tables::holds::said(write, &hold, is_public, next_us)).await
    }

    /// Accounts whose handles are to be asked about.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub async fn due_handles(&self, limit: usize) -> Result<Vec<Did>, StorageError> {
        let now_us = (self.clock)();
        self.database.read(move |read| tables::accounts::due_handles(read, now_us, limit)).await
    }

    /// The handle of an account, which its domain agrees to; `Err` when nobody could be asked.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub async fn handle_said(&self, account: &Did, handle: Result<Option<Handle>, ()>) -> Result<(), StorageError> {
        let (account, now_us) = (account.clone(), (self.clock)());
        let next_us = now_us + if handle.is_ok() { HANDLE_FRESH_US } else { RETRY_US };
        self.database.write(move |write| tables::accounts::handle_said(write, &account, handle, next_us)).await
    }

    /// Accounts whose records are to be listed.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub async fn due_lists(&self, limit: usize) -> Result<Vec<Did>, StorageError> {
        let now_us = (self.clock)();
        self.database.read(move |read| tables::accounts::due_lists(read, now_us, limit)).await
    }

    /// Makes the words anew by which texts are found, and has `accounts` listed besides those that are known, who are listed
    /// again; answers how many that are. For an index that lost rows, or whose words are damaged.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub async fn restore(&self, accounts: Vec<Did>) -> Result<usize, StorageError> {
        self.database.write(tables::search::clear_words).await?;
        let mut last = Some(0);
        while let Some(after) = last {
            // In pieces: others write between them.
            last = self.database.write(move |write| tables::records::words_behind(write, after)).await?;
        }
        let list = |account| Change { account, of: RecordOf::List };
        self.write(accounts.into_iter().map(list).collect(), None).await?;
        self.rebuild().await
    }

    /// Has the records of all known accounts listed again; answers how many there are.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub async fn rebuild(&self) -> Result<usize, StorageError> {
        let now_us = (self.clock)();
        let accounts = self.database.write(move |write| tables::accounts::list_all(write, now_us)).await?;
        self.wake.send_replace(());
        Ok(accounts)
    }

    /// The stars of a repository, and the key of the record of that of `viewer`, who gave one.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub async fn stars(
        &self,
        owner: &Did,
        name: &ImageName,
        viewer: Option<&Did>,
    ) -> Result<(u64, Option<RecordKey>), StorageError> {
        let (owner, name, viewer) = (owner.clone(), name.clone(), viewer.cloned());
        let read = move |read: &server::sqlite::Read<'_>| {
            let own = match &viewer {
                Some(viewer) => tables::stars::key_of(read, viewer, &owner, &name)?,
                None => None,
            };
            Ok::<_, StorageError>((tables::stars::count(read, &owner, &name)?, own))
        };
        self.database.read(read).await
    }

    /// Forgets the oldest repositories of too many; answers how many.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub async fn sweep(&self) -> Result<usize, StorageError> {
        let mut swept = 0;
        loop {
            let total = self.limits.total;
            // In pieces: others write between them.
            match self.database.write(move |write| tables::sweep(write, total)).await? {
                0 => return Ok(swept),
                repositories => swept += repositories,
            }
        }
    }

    /// How much there is.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub async fn totals(&self) -> Result<IndexTotals, StorageError> {
        self.database.read(tables::totals).await
    }

    /// Forgets an account and all that it has here; answers whether it was known.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub async fn forget(&self, account: &Did) -> Result<bool, StorageError> {
        let account = account.clone();
        self.database.write(move |write| tables::accounts::forget(write, &account)).await
    }
}
