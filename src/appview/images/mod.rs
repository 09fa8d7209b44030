//! Images: manifests on their way in and out, where their blobs are, and what holds are told of them.

mod delete;
mod details;
mod error;
mod manifest;
mod notices;
mod pull;
mod pulls;
mod push;
mod queue;
mod referrers;
mod scans;
pub mod tables;
mod turns;
mod untagged;

use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::catalog::Catalog;
use crate::holds::Holds;
use crate::repos::Repos;
use crate::webhooks::Webhooks;
use atproto::syntax::{Did, Digest, ServiceUrl};
use server::bulkhead::Locks;
use server::metrics::CounterBy;
use server::sqlite::Database;

pub use details::{BuildStep, ImageConfig, ManifestDetails, NamedContent};
pub use error::ImagesError;
pub use manifest::ParsedManifest;
pub use pull::PulledManifest;
pub use pulls::PullOutcome;
use pulls::Pulls;
pub use queue::{NoticeOutcome, QueueTotals, WaitingNotice};
pub use referrers::{Referrer, ReferrersPage};
use scans::Scans;
use turns::Turns;

/// Blobs of which it is remembered where they are, at some 150 bytes each.
const MAX_BLOBS: usize = 65_536;

/// Referrers of which is remembered what is answered of them, at 16 KiB each at most.
const MAX_REFERRERS: usize = 1024;

/// Images of all accounts.
pub struct Images {
    database: Database,
    repos: Arc<Repos>,
    holds: Arc<Holds>,
    catalog: Arc<Catalog>,
    webhooks: Arc<Webhooks>,
    /// Where the blobs of manifests are that were read or written here.
    places: Cache<(Did, Digest), ServiceUrl>,
    outcomes: CounterBy<NoticeOutcome>,
    /// One delivery of the queue to a hold at a time.
    deliveries: Locks<Did>,
    turns: Turns,
    scans: Scans,
    pulls: Arc<Pulls>,
    /// What is answered of referrers that were pushed elsewhere.
    referrers: Cache<(Did, Digest), Arc<Referrer>>,
    clock: fn() -> u64,
}

impl Images {
    /// By these means.
    #[must_use]
    pub fn new(
        database: Database,
        (repos, holds, catalog, webhooks): (Arc<Repos>, Arc<Holds>, Arc<Catalog>, Arc<Webhooks>),
        clock: fn() -> u64,
    ) -> Self {
        let (places, referrers) = (Cache::new(MAX_BLOBS), Cache::new(MAX_REFERRERS));
        let (turns, scans, deliveries) = (Turns::default(), Scans::default(), Locks::default());
        let (outcomes, pulls) = (CounterBy::default(), Arc::new(Pulls::new(Arc::clone(&holds))));
        Self {
            database,
            repos,
            holds,
            catalog,
            webhooks,
            places,
            outcomes,
            deliveries,
            turns,
            scans,
            pulls,
            referrers,
            clock,
        }
    }
}
