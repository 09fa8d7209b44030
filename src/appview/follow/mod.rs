//! What the index does not learn from what passes through here: whether holds are public, which handles accounts have, what
//! an account has in its repository, and, where a source of events is configured, what happens in the network.
//!
//! Events come from Jetstream or from the firehose of a relay or a PDS. Neither is proven here; whoever opens the page of
//! an image has its record proven. How far a source was followed is kept with what it told, in one transaction, so a restart
//! loses nothing, and what comes twice changes nothing.

mod asking;
mod events;
mod firehose;
mod jetstream;
mod listing;
mod seeding;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::accounts::Owners;
use crate::holds::Holds;
use crate::index::Index;
use crate::repos::Repos;
use atproto::lexicon::nsid::{self, Collection};
use server::egress::{ClientPolicy, HttpClient, Reach, system_dns};

pub use events::{EventKind, FollowCounts};

/// The collections that the index knows.
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

/// Where events come from. The operator chose these hosts: they may be on any network.
#[derive(Clone, Debug, Default)]
pub struct FollowSettings {
    /// Jetstreams, of which one is followed: the next one when it fails.
    pub jetstream_urls: Vec<String>,
    /// A relay or a PDS: followed where there is no Jetstream, and asked who has records of the collections.
    pub relay_url: Option<String>,
}

impl FollowSettings {
    /// Whether there is a source of events.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.jetstream_urls.is_empty() || self.relay_url.is_some()
    }
}

/// Keeps the index up.
pub struct Follow {
    index: Arc<Index>,
    owners: Arc<Owners>,
    repos: Arc<Repos>,
    holds: Arc<Holds>,
    settings: FollowSettings,
    http: HttpClient,
    counts: FollowCounts,
    clock: fn() -> u64,
}

impl Follow {
    /// By these means.
    ///
    /// # Errors
    /// No root certificate of the system's store could be loaded.
    pub fn new(
        settings: FollowSettings,
        (index, owners, repos, holds): (Arc<Index>, Arc<Owners>, Arc<Repos>, Arc<Holds>),
        test_mode: bool,
        clock: fn() -> u64,
    ) -> io::Result<Self> {
        let policy = ClientPolicy {
            reach: Reach::Any,
            plain_http: test_mode,
            connect_limit: Duration::from_secs(10),
            idle_connections: 0,
            idle_limit: Duration::from_secs(1),
            buffer_bytes: 64 * 1024,
        };
        let http = HttpClient::new(&policy, system_dns(2))?;
        Ok(Self { index, owners, repos, holds, settings, http, counts: FollowCounts::default(), clock })
    }

    /// Returns what was followed.
    #[must_use]
    pub fn counts(&self) -> &FollowCounts {
        &self.counts
    }

    /// Where events come from.
    #[must_use]
    pub fn settings(&self) -> &FollowSettings {
        &self.settings
    }
}

/// Whether records of a path in a repository are of a collection that the index knows.
fn is_wanted(path: &str) -> bool {
    path.split_once('/').is_some_and(|(collection, _)| COLLECTIONS.iter().any(|known| known.as_str() == collection))
}
