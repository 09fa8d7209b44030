//! The catalog for people: the repositories pushed to through this registry, the repositories, profile and pages in an
//! account's own records, and what holds publish about themselves.
//!
//! All but the first come from servers that strangers named. Each look-up runs once at a time, its result is cached for
//! some seconds, a failure for longer; the number of look-ups at one host is limited, whoever asks.

mod answer_cache;
mod hold_facts;
mod inventory;
mod page_writing;
mod profile;
mod proofs;
mod stars;
pub mod tables;

use std::sync::Arc;
use std::time::Duration;

use server::bulkhead::{Bulkhead, BulkheadCounts, BulkheadLimits, Slot};
use server::identity::Account;
use server::sqlite::{Database, Write};
use server::storage::StorageError;

use crate::accounts::{Login, is_open};
use crate::holds::Holds;
use crate::index::Index;
use crate::repos::Repos;
use atproto::syntax::{Did, HoldId, ImageName};

pub use answer_cache::{Answer, AnswerCache, CacheTimes, LookUpError};
use hold_facts::HoldFacts;
pub use hold_facts::ImageCounts;
use inventory::Inventories;
pub use inventory::{Content, Inventory, ListedManifest, ListedTag, is_image_config};
pub use page_writing::{NewPicture, PageChange};
pub use profile::{PageContent, PersonProfile, Picture, is_drawable, looks_like};
use profile::{Pages, Pictures, Profiles};
use proofs::Proofs;
pub use proofs::RecordProof;

/// Number of repositories that are kept, at some 200 bytes.
const MAX_REPOSITORIES: usize = 100_000;
/// Look-ups at once. One host gets few, however many of its accounts are viewed: each may return a page of 4 MiB.
const LOOK_UPS: BulkheadLimits = BulkheadLimits {
    slots: 16,
    slots_per_caller: 4,
    queue: 128,
    queue_per_caller: 32,
    max_wait: Duration::from_secs(3),
};

/// A repository that was pushed to through this registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedRepository {
    /// Account of the owner.
    pub account: Did,
    /// Name, without the owner.
    pub name: ImageName,
    /// The hold of the last push.
    pub hold: HoldId,
    /// Time of the last push, microseconds since 1970.
    pub pushed_us: u64,
}

/// The catalog.
pub struct Catalog {
    database: Database,
    repos: Arc<Repos>,
    holds: Arc<Holds>,
    index: Arc<Index>,
    /// Returns the time, microseconds since 1970.
    clock: fn() -> u64,
    look_ups: Bulkhead<String>,
    inventories: Inventories,
    profiles: Profiles,
    pages: Pages,
    pictures: Pictures,
    hold_facts: HoldFacts,
    proofs: Proofs,
}

impl Catalog {
    /// Makes the catalog. `clock` returns microseconds since 1970.
    #[must_use]
    pub fn new(
        database: Database,
        repos: &Arc<Repos>,
        holds: &Arc<Holds>,
        index: &Arc<Index>,
        clock: fn() -> u64,
    ) -> Self {
        Self {
            database,
            repos: Arc::clone(repos),
            holds: Arc::clone(holds),
            index: Arc::clone(index),
            clock,
            look_ups: Bulkhead::new(LOOK_UPS),
            inventories: inventory::remembered(),
            profiles: profile::remembered_profiles(),
            pages: profile::remembered_pages(),
            pictures: profile::remembered_pictures(),
            hold_facts: HoldFacts::default(),
            proofs: proofs::remembered(),
        }
    }

    /// Returns the metrics of the queue before look-ups at PDSes.
    #[must_use]
    pub fn look_ups(&self) -> &BulkheadCounts {
        self.look_ups.counts()
    }

    /// Notes a push, unless its session has ended, and drops the cached inventory of the account.
    ///
    /// # Errors
    /// When the database fails; the same below.
    pub async fn pushed(&self, login: &Login, repository: PushedRepository) -> Result<(), StorageError> {
        self.forget(&repository.account);
        let login = login.clone();
        let put = move |write: &Write<'_>| match is_open(write, &login)? {
            true => tables::put(write, &repository),
            false => Ok(()),
        };
        self.database.write(put).await
    }

    /// Forgets a repository that `inventory` does not have: it was deleted, unless it was pushed since.
    ///
    /// # Errors
    /// As [`Catalog::pushed`].
    pub async fn gone(&self, account: &Did, name: &ImageName, inventory: &Inventory) -> Result<(), StorageError> {
        let (account, name, read_us) = (account.clone(), name.clone(), inventory.read_us);
        self.database.write(move |write| tables::delete(write, &account, &name, read_us)).await
    }

    /// Returns the repositories with the latest pushes, the newest first.
    ///
    /// # Errors
    /// As [`Catalog::pushed`].
    pub async fn recent(&self, limit: usize) -> Result<Vec<PushedRepository>, StorageError> {
        self.database.read(move |read| tables::recent(read, limit)).await
    }

    /// Returns the repositories of an account that were pushed to through this registry.
    ///
    /// # Errors
    /// As [`Catalog::pushed`].
    pub async fn pushed_of(&self, account: &Did) -> Result<Vec<PushedRepository>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::of_account(read, &account)).await
    }

    /// Returns all accounts that have pushed through this registry.
    ///
    /// # Errors
    /// As [`Catalog::pushed`].
    pub async fn accounts(&self) -> Result<Vec<Did>, StorageError> {
        self.database.read(tables::accounts).await
    }

    /// Forgets all pushes of an account.
    ///
    /// # Errors
    /// As [`Catalog::pushed`].
    pub async fn forget_pushes(&self, account: &Did) -> Result<(), StorageError> {
        self.forget(account);
        let account = account.clone();
        self.database.write(move |write| tables::delete_of(write, &account)).await
    }

    /// Forgets the oldest repositories beyond 100,000.
    ///
    /// # Errors
    /// As [`Catalog::pushed`].
    pub async fn sweep(&self) -> Result<(), StorageError> {
        self.database.write(|write| tables::sweep(write, MAX_REPOSITORIES)).await.map(drop)
    }

    /// Drops the cached inventory of an account, after a change.
    pub fn forget(&self, account: &Did) {
        self.inventories.forget(account);
    }
}

/// Waits for a slot before look-ups at the host of the account's PDS.
async fn slot_at_host(
    look_ups: &Bulkhead<String>,
    repos: &Repos,
    account: &Account,
) -> Result<Slot<String>, LookUpError> {
    let host = repos.pds_host(account)?;
    look_ups
        .enter(&host)
        .await
        .map_err(|_| LookUpError::Failed("too much is asked of this account's server at present".into()))
}
