//! Time that a peer is waited for.

use std::time::Duration;

use tokio::time::Instant;

/// Parts of a time limit that are waited for one after the other.
const STEPS: u32 = 4;

/// Measures how long a peer is waited for, in steps of a quarter of the limit. A machine or a process that stood still in a
/// step, however long, waited for that step alone: its peer may have stood still too, and could not be read meanwhile.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    /// The time of all steps that ended.
    waited: Duration,
    /// When the step began that runs; `None` between two waits.
    since: Option<Instant>,
}

impl Stopwatch {
    /// A stopwatch that runs since `now`.
    pub(super) fn running(now: Instant) -> Self {
        Self { waited: Duration::ZERO, since: Some(now) }
    }

    /// Begins or continues a wait. Returns the time to ask [`Stopwatch::has_passed`].
    pub(super) fn wait(&mut self, limit: Duration, now: Instant) -> Instant {
        *self.since.get_or_insert(now) + limit.saturating_sub(self.waited).min(step(limit))
    }

    /// Ends a wait.
    pub(super) fn pause(&mut self, limit: Duration, now: Instant) {
        self.count(limit, now);
        self.since = None;
    }

    /// Whether so much was waited.
    pub(super) fn has_passed(&mut self, limit: Duration, now: Instant) -> bool {
        self.count(limit, now);
        self.waited >= limit
    }

    /// Begins anew; a wait that runs goes on.
    pub(super) fn reset(&mut self) {
        self.waited = Duration::ZERO;
    }

    fn count(&mut self, limit: Duration, now: Instant) {
        if let Some(since) = &mut self.since {
            self.waited += (now - *since).min(step(limit));
            *since = now;
        }
    }
}

fn step(limit: Duration) -> Duration {
    limit / STEPS
}
