//! The bulkheads of the resolver: a cache and a single flight each.
//!
//! A pool shares no look-up and no queue with another one, and strangers no cache with members. So strangers, however many,
//! neither delay the look-up of a member nor push a member's document out of the cache; nor does whoever claims to be a
//! member and has proven nothing.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::single_flight::{Joined, Leader, SingleFlight, Waiter};
use super::{Account, ResolveError};
use crate::bulkhead::{BulkheadCounts, Caller};
use atproto::syntax::Did;

/// How long a document is used without a new look-up.
const TTL: Duration = Duration::from_hours(1);
/// How long a document is used while its source cannot be reached.
const MAX_STALE: Duration = Duration::from_hours(24);
/// How long no look-up is made after one that failed, and after a refresh.
const NEGATIVE_TTL: Duration = Duration::from_mins(1);
/// How many DIDs are remembered; at about 500 bytes each, 2 MiB a pool.
const MAX_ENTRIES: usize = 4096;

/// How old a document may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// As old as [`TTL`].
    Cached,
    /// Read after this call, because the cached one seems outdated.
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
    /// Returns the answer that needs no look-up, if there is one.
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

    /// Returns the answer after a look-up failed with `error`: the cached document, if it is young enough. A final
    /// error left none.
    fn stale_if_error(&self, error: ResolveError, now: Instant) -> Answer {
        match &self.known {
            Some((account, at)) if now.saturating_duration_since(*at) < MAX_STALE => Ok(account.clone()),
            _ => Err(error),
        }
    }

    /// Returns the entry after a look-up.
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

/// The duty to make a look-up, alone. Dropping it lets the next caller try again.
pub(super) struct LookUpLeader {
    pool: Arc<LookUpPool>,
    freshness: Freshness,
    leader: Leader<Did, Answer>,
}

/// How a caller gets its answer.
pub(super) enum Lookup {
    Cached(Answer),
    /// By a look-up; the first caller leads, the others only wait.
    Wait(Waiter<Answer>, Option<LookUpLeader>),
}

impl LookUpPool {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { entries: Arc::new(Cache::new(MAX_ENTRIES)), flights: SingleFlight::new() })
    }

    /// Another pool with the same cache.
    pub(super) fn beside(&self) -> Arc<Self> {
        Arc::new(Self { entries: Arc::clone(&self.entries), flights: SingleFlight::new() })
    }

    /// Who has a turn, who waits for one, and who got none.
    pub(super) fn counts(&self) -> &BulkheadCounts {
        self.flights.counts()
    }

    /// Decides how `did` is answered to `caller`.
    pub(super) fn join(self: &Arc<Self>, did: &Did, caller: &Caller, freshness: Freshness) -> Lookup {
        let cached = || self.entries.get(did).and_then(|entry| entry.cached(freshness, Instant::now()));
        match self.flights.join(did, caller, cached) {
            Joined::Cached(answer) => Lookup::Cached(answer),
            Joined::Wait(waiter, leader) => {
                Lookup::Wait(waiter, leader.map(|leader| LookUpLeader { pool: self.clone(), freshness, leader }))
            }
        }
    }

    /// Takes over what another pool knows of `did`, and says how long ago the document was read; `None` when something is
    /// known here.
    pub(super) fn adopt(&self, did: &Did, other: &Self) -> Option<(Arc<Account>, Duration)> {
        if self.entries.get(did).is_some() {
            return None;
        }
        let entry = other.entries.get(did)?;
        let (account, read_at) = entry.known.clone()?;
        self.entries.insert(did.clone(), entry);
        Some((account, read_at.elapsed()))
    }

    /// Returns the account of `did` from a document that is young enough, without a look-up.
    pub(super) fn cached(&self, did: &Did) -> Option<Arc<Account>> {
        let (account, at) = self.entries.get(did)?.known?;
        (at.elapsed() < TTL).then_some(account)
    }
}

impl LookUpLeader {
    /// Makes the look-up when its turn has come, and tells all who wait. Where it has no document for the moment and none
    /// is known, `recall` may have one, and how long ago it was read. Returns the age of the document that is used
    /// although it could not be read again.
    pub(super) async fn run(
        self,
        look_up: impl Future<Output = Answer>,
        recall: impl Future<Output = Option<(Arc<Account>, Duration)>>,
    ) -> Option<Duration> {
        let turn = self.leader.turn().await;
        let answer = match &turn {
            Ok(_) => look_up.await,
            Err(overload) => Err(ResolveError::Busy(*overload)),
        };
        // Without a turn nothing was learned about the source.
        let was_asked = turn.is_ok();
        drop(turn);
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
