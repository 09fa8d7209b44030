//! The bulkheads of the resolver, each with a cache and a single flight.
//!
//! A pool shares no look-up and no queue with another one, and strangers share no cache with members. So strangers,
//! however many, neither delay the look-up of a member nor evict a member's document from the cache; nor do unproven
//! claimants of a membership.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::single_flight::{Joined, Leader, SingleFlight, Waiter};
use super::{Account, ResolveError};
use crate::bulkhead::{BulkheadCounts, Caller};
use atproto::syntax::Did;

/// Time that a document is used without a new look-up.
const TTL: Duration = Duration::from_hours(1);
/// Time that a document is used while its source cannot be reached.
const MAX_STALE: Duration = Duration::from_hours(24);
/// Time without a new look-up after one that failed, and after a refresh.
const NEGATIVE_TTL: Duration = Duration::from_mins(1);
/// Number of DIDs in a cache; at about 500 bytes each, 2 MiB a pool.
const MAX_ENTRIES: usize = 4096;

/// The freshness that a caller requires of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Cached for up to [`TTL`].
    Cached,
    /// Read again, because the cached one seems outdated; at most once in [`NEGATIVE_TTL`].
    Newer,
}

pub(super) type Answer = Result<Arc<Account>, ResolveError>;

/// The cache entry of one DID.
#[derive(Clone, Default)]
struct Entry {
    known: Option<(Arc<Account>, Instant)>,
    failed: Option<(ResolveError, Instant)>,
    refreshed: Option<Instant>,
}

impl Entry {
    /// Returns the answer if the cache has one that is valid.
    fn cached(&self, freshness: Freshness, now: Instant) -> Option<Answer> {
        let within = |limit: Duration, at: Instant| now.saturating_duration_since(at) < limit;
        if freshness == Freshness::Cached
            && let Some((account, at)) = &self.known
            && within(TTL, *at)
        {
            return Some(Ok(account.clone()));
        }
        match self.failed {
            Some((error, at)) if within(NEGATIVE_TTL, at) => return Some(self.stale_if_error(error, now)),
            _ => {}
        }
        let refreshed = freshness == Freshness::Newer && self.refreshed.is_some_and(|at| within(NEGATIVE_TTL, at));
        self.known.as_ref().filter(|_| refreshed).map(|(account, _)| Ok(account.clone()))
    }

    /// Returns the answer after a look-up failed with `error`: the cached document, if it is young enough. A permanent
    /// error has removed it.
    fn stale_if_error(&self, error: ResolveError, now: Instant) -> Answer {
        match &self.known {
            Some((account, at)) if now.saturating_duration_since(*at) < MAX_STALE => Ok(account.clone()),
            _ => Err(error),
        }
    }

    /// Returns the entry updated by the outcome of a look-up.
    fn after(mut self, answer: &Answer, freshness: Freshness, now: Instant) -> Self {
        if freshness == Freshness::Newer {
            self.refreshed = Some(now);
        }
        match answer {
            Ok(account) => Self { known: Some((account.clone(), now)), failed: None, ..self },
            Err(error) if error.is_transient() => Self { failed: Some((*error, now)), ..self },
            Err(error) => Self { known: None, failed: Some((*error, now)), ..self },
        }
    }
}

impl ResolveError {
    /// Whether the error is transient: the same look-up may succeed later, without anyone repairing anything.
    pub(super) fn is_transient(self) -> bool {
        match self {
            Self::Refused(_) | Self::Unreachable | Self::Busy(_) => true,
            Self::NotFound | Self::Invalid(_) | Self::Unsupported(_) => false,
        }
    }
}

/// The cache of one pool, and its look-ups under way.
pub(super) struct LookUpPool {
    entries: Arc<Cache<Did, Entry>>,
    flights: Arc<SingleFlight<Did, Answer>>,
}

/// The leader of a single flight, which makes the look-up. Dropping it lets the next caller lead.
pub(super) struct LookUpLeader {
    pool: Arc<LookUpPool>,
    freshness: Freshness,
    leader: Leader<Did, Answer>,
}

/// The way in which a caller gets its answer.
pub(super) enum Lookup {
    Cached(Answer),
    /// By a look-up under way; the first caller leads it, the others only wait.
    Wait(Waiter<Answer>, Option<LookUpLeader>),
}

impl LookUpPool {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { entries: Arc::new(Cache::new(MAX_ENTRIES)), flights: SingleFlight::new() })
    }

    /// Creates another pool with the same cache.
    pub(super) fn beside(&self) -> Arc<Self> {
        Arc::new(Self { entries: Arc::clone(&self.entries), flights: SingleFlight::new() })
    }

    /// Returns the metrics of the pool's bulkhead.
    pub(super) fn counts(&self) -> &BulkheadCounts {
        self.flights.counts()
    }

    /// Returns how the look-up of `did` for `caller` is answered.
    pub(super) fn join(self: &Arc<Self>, did: &Did, caller: &Caller, freshness: Freshness) -> Lookup {
        let cached = || self.entries.get(did).and_then(|entry| entry.cached(freshness, Instant::now()));
        match self.flights.join(did, caller, cached) {
            Joined::Cached(answer) => Lookup::Cached(answer),
            Joined::Wait(waiter, leader) => {
                Lookup::Wait(waiter, leader.map(|leader| LookUpLeader { pool: self.clone(), freshness, leader }))
            }
        }
    }

    /// Copies the entry of `did` from another pool, and returns its account and the document's age; `None` when this
    /// pool has an entry.
    pub(super) fn adopt(&self, did: &Did, other: &Self) -> Option<(Arc<Account>, Duration)> {
        if self.entries.get(did).is_some() {
            return None;
        }
        let entry = other.entries.get(did)?;
        let (account, read_at) = entry.known.clone()?;
        self.entries.insert(did.clone(), entry);
        Some((account, read_at.elapsed()))
    }

    /// Whether the last look-up of `did` failed with a transient error.
    pub(super) fn is_away(&self, did: &Did) -> bool {
        self.entries.get(did).and_then(|entry| entry.failed).is_some_and(|(error, _)| error.is_transient())
    }

    /// Returns the account of `did` if its cached document is younger than [`TTL`], without a look-up.
    pub(super) fn cached(&self, did: &Did) -> Option<Arc<Account>> {
        let (account, at) = self.entries.get(did)?.known?;
        (at.elapsed() < TTL).then_some(account)
    }
}

impl LookUpLeader {
    /// Makes the look-up when it has a slot, and completes all waiters. Where it fails with a transient error and
    /// nothing is cached, `recall` may return a stored document and its age. Returns the age of the document that is
    /// used although it could not be read again.
    pub(super) async fn run(
        self,
        look_up: impl Future<Output = Answer>,
        recall: impl Future<Output = Option<(Arc<Account>, Duration)>>,
    ) -> Option<Duration> {
        let slot = self.leader.slot().await;
        let answer = match &slot {
            Ok(_) => self.leader.ask(look_up).await,
            Err(overload) => Err(ResolveError::Busy(*overload)),
        };
        // Without a slot nothing was learned about the source.
        let was_asked = slot.is_ok();
        drop(slot);
        let did = self.leader.key();
        let is_known = self.pool.entries.get(did).is_some_and(|entry| entry.known.is_some());
        let recalled = match &answer {
            Err(error) if error.is_transient() && !is_known => recall.await,
            _ => None,
        };
        let now = Instant::now();
        let mut entry = self.pool.entries.get(did).unwrap_or_default();
        let is_news = was_asked || recalled.is_some();
        if entry.known.is_none() {
            entry.known = recalled.and_then(|(account, age)| Some((account, now.checked_sub(age)?)));
        }
        if was_asked {
            entry = entry.after(&answer, self.freshness, now);
        }
        if is_news {
            self.pool.entries.insert(did.clone(), entry.clone());
        }
        let failed = answer.is_err();
        let answer = answer.or_else(|error| entry.stale_if_error(error, now));
        let is_stale = failed && answer.is_ok();
        self.leader.complete(answer);
        entry.known.filter(|_| is_stale).map(|(_, read_at)| now.saturating_duration_since(read_at))
    }
}
