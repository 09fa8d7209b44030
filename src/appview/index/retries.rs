//! Intervals after failed look-ups, which double with each failure in a row. They are kept in memory, so a restart begins
//! with the shortest.

use quick_cache::unsync::Cache;

use atproto::syntax::Did;
use server::nonpoison::{Mutex, MutexGuard};

/// Interval after the first failure, in microseconds.
const FIRST_PAUSE_US: u64 = 5 * 60 * 1_000_000;
/// Number of failures that are remembered, at some 150 bytes.
const MAX_REMEMBERED: usize = 65_536;

/// The kind of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum LookUpKind {
    /// The handle of an account.
    Handle,
    /// The captain's record of a hold.
    Hold,
    /// The crew of a hold that answers.
    Crew,
    /// The records of an account.
    Records,
}

/// Number of failures in a row of each look-up.
pub(super) struct Retries(Mutex<Cache<(LookUpKind, Did), u32>>);

impl Default for Retries {
    fn default() -> Self {
        Self(Mutex::new(Cache::new(MAX_REMEMBERED)))
    }
}

impl Retries {
    /// Counts an outcome. Returns the interval until the next look-up in microseconds: `longest_us` after a success, and at most.
    pub(super) fn pause_us(&self, kind: LookUpKind, of: &Did, has_answered: bool, longest_us: u64) -> u64 {
        if has_answered {
            self.answered(kind, of);
            return longest_us;
        }
        let (mut failures, key) = (self.failures(), (kind, of.clone()));
        let before = failures.get(&key).copied().unwrap_or_default();
        failures.insert(key, before.saturating_add(1));
        (FIRST_PAUSE_US << before.min(16)).min(longest_us)
    }

    /// Forgets the failures of a look-up that succeeded.
    pub(super) fn answered(&self, kind: LookUpKind, of: &Did) {
        self.failures().remove(&(kind, of.clone()));
    }

    fn failures(&self) -> MutexGuard<'_, Cache<(LookUpKind, Did), u32>> {
        self.0.lock()
    }
}
