//! The two lanes of the resolver, and what each remembers.
//!
//! A lane shares nothing with the other: own memory, own look-ups at once, own queue. So strangers, however
//! many, neither delay the look-up of a member nor push a member's document out of memory.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::flight::{self, Boarding, Flights, Landing};
use super::{Account, Error};
use atproto::syntax::Did;

/// Documents younger than this are used without asking again.
const FRESH: Duration = Duration::from_hours(1);
/// Documents younger than this are used while their source cannot be reached.
const STALE: Duration = Duration::from_hours(24);
/// After a failed look-up, and after a refresh, the source is left alone for this long.
const REST: Duration = Duration::from_mins(1);
/// DIDs remembered; at about 500 bytes each, 2 MiB a lane.
const MAX_ENTRIES: usize = 4096;

/// Which of the two lanes a look-up takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// For the captain and the crew.
    Member,
    /// For everyone else.
    Stranger,
}

/// What a caller wants of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// One that is young enough.
    Current,
    /// One that was read after this call, because the one at hand seems outdated.
    Newer,
}

pub(super) type Answer = Result<Arc<Account>, Error>;

/// What is known of one DID.
#[derive(Clone, Default)]
struct Entry {
    known: Option<(Arc<Account>, Instant)>,
    failed: Option<(Error, Instant)>,
    refreshed: Option<Instant>,
}

impl Entry {
    /// The answer to give without a look-up, if there is one.
    fn answer(&self, wish: Wish, now: Instant) -> Option<Answer> {
        let within = |limit: Duration, at: Instant| now.saturating_duration_since(at) < limit;
        if wish == Wish::Current
            && let Some((account, at)) = &self.known
            && within(FRESH, *at)
        {
            return Some(Ok(account.clone()));
        }
        match self.failed {
            Some((error, at)) if within(REST, at) => return Some(self.despite(error, now)),
            _ => {}
        }
        let refreshed = wish == Wish::Newer && self.refreshed.is_some_and(|at| within(REST, at));
        self.known.as_ref().filter(|_| refreshed).map(|(account, _)| Ok(account.clone()))
    }

    /// The answer when a look-up ended in `error`: what is still known. A lasting error has left nothing known.
    fn despite(&self, error: Error, now: Instant) -> Answer {
        match &self.known {
            Some((account, at)) if now.saturating_duration_since(*at) < STALE => Ok(account.clone()),
            _ => Err(error),
        }
    }

    /// The entry after a look-up.
    fn after(mut self, answer: &Answer, wish: Wish, now: Instant) -> Self {
        if wish == Wish::Newer {
            self.refreshed = Some(now);
        }
        match answer {
            Ok(account) => Self { known: Some((account.clone(), now)), failed: None, ..self },
            Err(error) if error.passes() => Self { failed: Some((*error, now)), ..self },
            Err(error) => Self { known: None, failed: Some((*error, now)), ..self },
        }
    }
}

impl Error {
    /// Whether the same question may have a better answer later, without anyone repairing anything.
    fn passes(self) -> bool {
        match self {
            Self::Unreachable | Self::Busy => true,
            Self::NotFound | Self::Invalid(_) | Self::Unsupported(_) => false,
        }
    }
}

/// The memory and the look-ups under way of one lane.
pub(super) struct LaneState {
    entries: Cache<Did, Entry>,
    flights: Arc<Flights<Did, Answer>>,
}

/// A look-up that this caller must now make, alone. Dropping it lets the next caller try again.
pub(super) struct Flight {
    lane: Arc<LaneState>,
    wish: Wish,
    flight: flight::Flight<Did, Answer>,
}

/// How a caller gets its answer.
pub(super) enum Course {
    Known(Answer),
    /// By a look-up; the flight is there for the first caller, the others only wait.
    Wait(Landing<Answer>, Option<Flight>),
}

impl LaneState {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { entries: Cache::new(MAX_ENTRIES), flights: Flights::new() })
    }

    /// Decides how `did` is answered.
    pub(super) fn course(self: &Arc<Self>, did: &Did, wish: Wish) -> Course {
        let known = || self.entries.get(did).and_then(|entry| entry.answer(wish, Instant::now()));
        match self.flights.board(did, known) {
            Boarding::Known(answer) => Course::Known(answer),
            Boarding::Full => {
                let entry = self.entries.get(did).unwrap_or_default();
                Course::Known(entry.despite(Error::Busy, Instant::now()))
            }
            Boarding::Wait(landing, flight) => {
                Course::Wait(landing, flight.map(|flight| Flight { lane: self.clone(), wish, flight }))
            }
        }
    }
}

impl Flight {
    /// Makes the look-up when its turn has come, and tells all who wait.
    pub(super) async fn fly(self, look_up: impl Future<Output = Answer>) {
        let turn = self.flight.turn().await;
        let answer = match &turn {
            Some(_) => look_up.await,
            None => Err(Error::Busy),
        };
        drop(turn);
        let now = Instant::now();
        let did = self.flight.key();
        let mut entry = self.lane.entries.get(did).unwrap_or_default();
        // Without a turn nothing was learned about the source.
        if answer.as_ref().err() != Some(&Error::Busy) {
            entry = entry.after(&answer, self.wish, now);
            self.lane.entries.insert(did.clone(), entry.clone());
        }
        self.flight.land(answer.or_else(|error| entry.despite(error, now)));
    }
}
