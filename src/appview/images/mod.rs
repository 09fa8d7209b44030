//! Images: push and pull of manifests, the holds of their blobs, and notices to holds.

mod delete;
mod description;
mod descriptors;
mod details;
mod error;
mod manifest;
mod notices;
mod pull;
mod pulls;
mod push;
mod queue;
mod record_locks;
mod referrers;
mod refused;
mod scans;
pub mod tables;
mod untagged;

use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::catalog::Catalog;
use crate::holds::Holds;
use crate::repos::Repos;
use crate::webhooks::Webhooks;
use atproto::syntax::{Did, Digest, HoldId};
use server::bulkhead::Locks;
use server::metrics::CounterBy;
use server::sqlite::Database;

pub use descriptors::{NamedContent, Referrer};
pub use details::{BuildStep, ImageConfig, ManifestDetails};
pub use error::ImagesError;
pub use manifest::ParsedManifest;
pub use notices::NoticeOutcome;
pub use pull::PulledManifest;
pub use pulls::PullOutcome;
use pulls::Pulls;
use record_locks::RecordLocks;
pub use referrers::ReferrersPage;
use scans::Scans;
pub use tables::refused::RefusedNotice;
pub use tables::{QueueTotals, WaitingNotice};

/// Number of blobs whose hold is cached, at some 150 bytes each.
const MAX_BLOBS: usize = 65_536;

/// Number of cached referrers that were pushed elsewhere, at 16 KiB each at most.
const MAX_REFERRERS: usize = 1024;

/// The images of all accounts.
pub struct Images {
    database: Database,
    repos: Arc<Repos>,
    holds: Arc<Holds>,
    catalog: Arc<Catalog>,
    webhooks: Arc<Webhooks>,
    /// Holds of the blobs of manifests that were read or written here.
    blob_holds: Cache<(Did, Digest), HoldId>,
    outcomes: CounterBy<NoticeOutcome>,
    /// Locks of holds: one delivery of the queue to each at a time.
    deliveries: Locks<Did>,
    locks: RecordLocks,
    scans: Scans,
    pulls: Arc<Pulls>,
    /// Cached referrers that were pushed elsewhere.
    referrers: Cache<(Did, Digest), Arc<Referrer>>,
    clock: fn() -> u64,
}

impl Images {
    /// Makes the images of all accounts.
    #[must_use]
    pub fn new(
        database: Database,
        repos: &Arc<Repos>,
        holds: &Arc<Holds>,
        catalog: &Arc<Catalog>,
        webhooks: &Arc<Webhooks>,
        clock: fn() -> u64,
    ) -> Self {
        let (blob_holds, referrers) = (Cache::new(MAX_BLOBS), Cache::new(MAX_REFERRERS));
        let (locks, scans, deliveries) = (RecordLocks::default(), Scans::default(), Locks::default());
        let (outcomes, pulls) = (CounterBy::default(), Arc::new(Pulls::new(Arc::clone(holds))));
        Self {
            database,
            repos: Arc::clone(repos),
            holds: Arc::clone(holds),
            catalog: Arc::clone(catalog),
            webhooks: Arc::clone(webhooks),
            blob_holds,
            outcomes,
            deliveries,
            locks,
            scans,
            pulls,
            referrers,
            clock,
        }
    }
}
