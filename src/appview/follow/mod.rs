//! Sources of the index besides the requests of this registry: whether holds are public, the handles of accounts, the
//! records of accounts and, where a source of events is configured, changes in the network.
//!
//! Events come from Jetstream or from the firehose of a relay or a PDS. Their signatures are not verified here; the
//! page of an image verifies its record. The cursor of a source is stored with its changes, in one transaction, so a
//! restart loses nothing, and an event that comes twice changes nothing.

mod event;
mod events;
mod firehose;
mod jetstream;
mod listing;
mod look_ups;
mod seeding;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::accounts::Owners;
use crate::holds::Holds;
use crate::index::Index;
use crate::repos::Repos;
use atproto::lexicon::nsid::{self, Collection};
use atproto::syntax::Did;
use server::bulkhead::Bulkhead;
use server::egress::{ClientPolicy, HttpClient, Reach, system_dns};

pub use event::EventKind;
pub use events::FollowCounts;

/// Collections whose records are in the index.
const COLLECTIONS: [Collection; 8] = [
    nsid::MANIFEST,
    nsid::TAG,
    nsid::REPO_PAGE,
    nsid::STAR,
    nsid::SAILOR_PROFILE,
    nsid::CAPTAIN,
    nsid::CREW,
    nsid::STATS,
];

/// The sources of events. The operator chose these hosts: they may be on any network.
#[derive(Clone, Debug, Default)]
pub struct FollowSettings {
    /// Jetstreams, one of which is followed: the next one when it fails.
    pub jetstream_urls: Vec<String>,
    /// A relay or a PDS: followed if there is no Jetstream, and asked for accounts with records of the collections.
    pub relay_url: Option<String>,
    /// Whether plain http and ws are allowed.
    pub test_mode: bool,
}

impl FollowSettings {
    /// Whether a source of events is configured.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.jetstream_urls.is_empty() || self.relay_url.is_some()
    }
}

/// Keeps the index up to date.
pub struct Follow {
    index: Arc<Index>,
    owners: Arc<Owners>,
    repos: Arc<Repos>,
    holds: Arc<Holds>,
    settings: FollowSettings,
    http: HttpClient,
    counts: FollowCounts,
    /// Slots of listings, by PDS.
    listings: Bulkhead<String>,
    /// PDSes that asked not to be listed from, with the end of that time in microseconds since 1970.
    quiet: Cache<String, u64>,
    /// Accounts whose handles were checked, with the end of the check.
    checked: Cache<Did, Instant>,
    clock: fn() -> u64,
}

impl Follow {
    /// Makes the follower of an index.
    ///
    /// # Errors
    /// When no root certificate of the system's store could be loaded.
    pub fn new(
        settings: FollowSettings,
        index: &Arc<Index>,
        owners: &Arc<Owners>,
        repos: &Arc<Repos>,
        holds: &Arc<Holds>,
        clock: fn() -> u64,
    ) -> io::Result<Self> {
        let policy = ClientPolicy {
            reach: Reach::Any,
            plain_http: settings.test_mode,
            connect_limit: Duration::from_secs(10),
            idle_connections: 0,
            idle_limit: Duration::from_secs(1),
            buffer_bytes: 64 * 1024,
        };
        let http = HttpClient::new(&policy, system_dns(2))?;
        Ok(Self {
            index: Arc::clone(index),
            owners: Arc::clone(owners),
            repos: Arc::clone(repos),
            holds: Arc::clone(holds),
            settings,
            http,
            counts: FollowCounts::default(),
            listings: Bulkhead::new(listing::SLOTS),
            quiet: Cache::new(listing::MAX_QUIET),
            checked: Cache::new(look_ups::MAX_CHECKED),
            clock,
        })
    }

    /// Returns the counts of events.
    #[must_use]
    pub fn counts(&self) -> &FollowCounts {
        &self.counts
    }

    /// Returns the sources of events.
    #[must_use]
    pub fn settings(&self) -> &FollowSettings {
        &self.settings
    }
}

/// Whether a record's path is in one of the index's collections.
fn is_wanted(path: &str) -> bool {
    path.split_once('/').is_some_and(|(collection, _)| COLLECTIONS.iter().any(|known| known.as_str() == collection))
}
