//! Images: manifests on their way in and out, where their blobs are, and what holds are told of them.

mod error;
mod manifest;
mod notices;
mod pull;
mod push;
mod queue;
pub mod tables;

use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::holds::Holds;
use crate::repos::Repos;
use atproto::syntax::{Did, Digest, ServiceUrl};
use server::metrics::CounterBy;
use server::sqlite::Database;

pub use error::ImagesError;
pub use manifest::ParsedManifest;
pub use pull::PulledManifest;
pub use queue::{NoticeOutcome, QueueTotals, WaitingNotice};

/// Blobs of which it is remembered where they are, at some 150 bytes each.
const MAX_BLOBS: usize = 65_536;

/// Images of all accounts.
pub struct Images {
    database: Database,
    repos: Arc<Repos>,
    holds: Arc<Holds>,
    /// Where the blobs of manifests are that were read or written here.
    places: Cache<(Did, Digest), ServiceUrl>,
    outcomes: CounterBy<NoticeOutcome>,
    clock: fn() -> u64,
}

impl Images {
    /// By these means.
    #[must_use]
    pub fn new(database: Database, repos: Arc<Repos>, holds: Arc<Holds>, clock: fn() -> u64) -> Self {
        Self { database, repos, holds, places: Cache::new(MAX_BLOBS), outcomes: CounterBy::default(), clock }
    }
}
