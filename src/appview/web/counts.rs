//! Counts of what callers did within a quarter of an hour, for the limits of an account or a network.

use std::time::Duration;

use quick_cache::unsync::Cache;
use tokio::time::Instant;

use server::bulkhead::Caller;

/// Time after which a count is 0 again.
const WINDOW: Duration = Duration::from_mins(15);
/// Callers with a count in memory, at some 200 bytes each.
const MAX_CALLERS: usize = 8192;

/// The count of a caller, and the time from which its window goes.
#[derive(Clone, Copy)]
pub(super) struct Count {
    pub(super) number: u32,
    pub(super) since: Instant,
}

/// The counts of all callers.
pub(super) struct Counts(Cache<Caller, Count>);

impl Default for Counts {
    fn default() -> Self {
        Self(Cache::new(MAX_CALLERS))
    }
}

impl Counts {
    /// Returns the count of a caller: 0 from `now` on, if it has none or its window is over.
    pub(super) fn of(&self, caller: &Caller, now: Instant) -> Count {
        let known = self.0.get(caller).copied().filter(|count| now.duration_since(count.since) < WINDOW);
        known.unwrap_or(Count { number: 0, since: now })
    }

    /// Stores the count of a caller.
    pub(super) fn put(&mut self, caller: Caller, count: Count) {
        self.0.insert(caller, count);
    }

    /// Fails when the count of a caller has reached `max`.
    ///
    /// # Errors
    /// The number of seconds until its window is over.
    pub(super) fn require_less(&self, caller: &Caller, max: u32, now: Instant) -> Result<(), u64> {
        let Count { number, since } = self.of(caller, now);
        if number < max { Ok(()) } else { Err(WINDOW.saturating_sub(now.duration_since(since)).as_secs() + 1) }
    }
}
