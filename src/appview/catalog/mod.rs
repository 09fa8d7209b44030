//! What repositories and images there are, for people: what was pushed to through here, and what an account's own records
//! say of its repositories, its profile and their pages, and what holds say of themselves.
//!
//! All of the latter comes from PDSes that strangers named. Each question is asked once at a time, its answer kept for some
//! seconds, a failure for longer, and a host is asked a few things at once, whoever's pages are looked at.

mod hold_facts;
mod inventory;
mod kept;
mod page_writing;
mod profile;
mod proofs;
mod stars;
pub mod tables;

use std::sync::Arc;
use std::time::Duration;

use server::bulkhead::{Bulkhead, BulkheadCounts, BulkheadLimits, Place};
use server::identity::Account;
use server::sqlite::Database;
use server::storage::StorageError;

use crate::holds::Holds;
use crate::index::Index;
use crate::repos::Repos;
use atproto::syntax::{Did, ImageName, ServiceUrl};

use hold_facts::HoldFacts;
pub use hold_facts::ImageCounts;
use inventory::Inventories;
pub use inventory::{Inventory, ListedManifest, ListedTag};
pub use kept::{Kept, Times, Unknown};
pub use page_writing::NewPicture;
pub use profile::{PageOf, PersonProfile, Picture, is_drawable, looks_like};
use profile::{Pages, Pictures, Profiles};
use proofs::Proofs;
pub use proofs::RecordProof;

/// Repositories that are remembered, at some 200 bytes.
const MAX_REPOSITORIES: usize = 100_000;
/// Of one host few things are asked at once, however many of its accounts are looked at: each may be a page of 4 MiB.
const LOOKS: BulkheadLimits = BulkheadLimits {
    places: 16,
    places_per_caller: 4,
    queue: 128,
    queue_per_caller: 32,
    max_wait: Duration::from_secs(3),
};

/// A repository that was pushed to through here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedRepository {
    /// Whose it is.
    pub account: Did,
    /// Its name.
    pub name: ImageName,
    /// The hold of the last push.
    pub hold: ServiceUrl,
    /// When that was, microseconds since 1970.
    pub pushed_us: u64,
}

/// The catalog.
pub struct Catalog {
    database: Database,
    repos: Arc<Repos>,
    holds: Arc<Holds>,
    index: Arc<Index>,
    looks: Bulkhead<String>,
    inventories: Inventories,
    profiles: Profiles,
    pages: Pages,
    pictures: Pictures,
    hold_facts: HoldFacts,
    proofs: Proofs,
}

impl Catalog {
    /// By these means.
    #[must_use]
    pub fn new(database: Database, repos: Arc<Repos>, holds: Arc<Holds>, index: Arc<Index>) -> Self {
        Self {
            database,
            repos,
            holds,
            index,
            looks: Bulkhead::new(LOOKS),
            inventories: inventory::remembered(),
            profiles: profile::remembered_profiles(),
            pages: profile::remembered_pages(),
            pictures: profile::remembered_pictures(),
            hold_facts: HoldFacts::default(),
            proofs: proofs::remembered(),
        }
    }

    /// Returns the metrics of the queue before PDSes.
    #[must_use]
    pub fn looks(&self) -> &BulkheadCounts {
        self.looks.counts()
    }

    /// Notes a push.
    ///
    /// # Errors
    /// When the database fails; so below.
    pub async fn pushed(&self, repository: PushedRepository) -> Result<(), StorageError> {
        self.forget(&repository.account);
        self.database.write(move |write| tables::put(write, &repository)).await
    }

    /// Forgets a repository that is no more.
    ///
    /// # Errors
    /// As [`Catalog::pushed`].
    pub async fn gone(&self, account: &Did, name: &ImageName) -> Result<(), StorageError> {
        let (account, name) = (account.clone(), name.clone());
        self.database.write(move |write| tables::delete(write, &account, &name)).await
    }

    /// The repositories that were pushed to last, the newest first.
    ///
    /// # Errors
    /// As [`Catalog::pushed`].
    pub async fn recent(&self, limit: usize) -> Result<Vec<PushedRepository>, StorageError> {
        self.database.read(move |read| tables::recent(read, limit)).await
    }

    /// The repositories of an account that were pushed to.
    ///
    /// # Errors
    /// As [`Catalog::pushed`].
    pub async fn pushed_of(&self, account: &Did) -> Result<Vec<PushedRepository>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::of_account(read, &account)).await
    }

    /// All accounts that have pushed through here.
    ///
    /// # Errors
    /// As [`Catalog::pushed`].
    pub async fn accounts(&self) -> Result<Vec<Did>, StorageError> {
        self.database.read(tables::accounts).await
    }

    /// Forgets that an account has pushed.
    ///
    /// # Errors
    /// As [`Catalog::pushed`].
    pub async fn forget_pushes(&self, account: &Did) -> Result<(), StorageError> {
        self.forget(account);
        let account = account.clone();
        self.database.write(move |write| tables::delete_of(write, &account)).await
    }

    /// Forgets the oldest of too many.
    ///
    /// # Errors
    /// As [`Catalog::pushed`].
    pub async fn sweep(&self) -> Result<(), StorageError> {
        self.database.write(|write| tables::sweep(write, MAX_REPOSITORIES)).await.map(drop)
    }

    /// What was looked up of an account is looked up again: it has changed.
    pub fn forget(&self, account: &Did) {
        self.inventories.forget(account);
    }
}

/// Waits for a place before the host of an account's PDS.
async fn look(looks: &Bulkhead<String>, repos: &Repos, account: &Account) -> Result<Place<String>, Unknown> {
    let host = repos.pds_host(account).map_err(|error| Unknown(error.to_string()))?;
    looks.enter(&host).await.map_err(|_| Unknown("too much is asked of this account's server at present".into()))
}
