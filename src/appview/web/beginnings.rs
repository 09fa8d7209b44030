//! Limit of sign-ins that one network begins: there is a limit of all sign-ins under way.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::unsync::Cache;
use tokio::time::Instant;

use server::bulkhead::Caller;

/// Limit of sign-ins of one network in [`WINDOW`], a hundredth of that of all.
const MAX_OF_NETWORK: u32 = 100;
/// The lifetime of a sign-in.
const WINDOW: Duration = Duration::from_mins(15);
/// Number of networks that are remembered, at some 100 bytes.
const MAX_NETWORKS: usize = 8192;

/// Number of sign-ins of each network.
pub(super) struct Beginnings(Mutex<Cache<Caller, (u32, Instant)>>);

impl Default for Beginnings {
    fn default() -> Self {
        Self(Mutex::new(Cache::new(MAX_NETWORKS)))
    }
}

impl Beginnings {
    /// Looks whether a network may begin a sign-in. Clients of a proxy that does not name them have no limit.
    ///
    /// # Errors
    /// The seconds until the next one is allowed.
    pub(super) fn require_place(&self, network: &Caller, now: Instant) -> Result<(), u64> {
        let (count, since) = self.of(network, now);
        if count < MAX_OF_NETWORK || *network == Caller::Unknown {
            return Ok(());
        }
        Err(WINDOW.saturating_sub(now.duration_since(since)).as_secs() + 1)
    }

    /// Counts a sign-in that has begun. One that failed before takes no place: a server that is away, or a misspelt name.
    pub(super) fn begun(&self, network: &Caller, now: Instant) {
        let (count, since) = self.of(network, now);
        self.lock().insert(network.clone(), (count.saturating_add(1), since));
    }

    /// Returns the number of sign-ins of a network, and since when they are counted.
    fn of(&self, network: &Caller, now: Instant) -> (u32, Instant) {
        let known = self.lock().get(network).copied().filter(|(_, since)| now.duration_since(*since) < WINDOW);
        known.unwrap_or((0, now))
    }

    fn lock(&self) -> MutexGuard<'_, Cache<Caller, (u32, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn one_network_leaves_places_to_others() {
        let (beginnings, now) = (Beginnings::default(), Instant::now());
        let of = |number: u32| Caller::Network(Ipv4Addr::from_bits(number).into());
        let minutes = |count| now + Duration::from_mins(count);
        for network in [of(1), Caller::Unknown] {
            for _ in 0..100 {
                assert_eq!(beginnings.require_place(&network, now), Ok(()));
                beginnings.begun(&network, now);
            }
        }
        assert_eq!(beginnings.require_place(&of(1), minutes(5)), Err(601));
        assert_eq!(beginnings.require_place(&of(2), minutes(5)), Ok(()));
        assert_eq!(beginnings.require_place(&Caller::Unknown, now), Ok(()));
        assert_eq!(beginnings.require_place(&of(1), minutes(15)), Ok(()));
    }

    #[test]
    fn what_did_not_begin_takes_no_place() {
        let (beginnings, now) = (Beginnings::default(), Instant::now());
        let network = Caller::Network(Ipv4Addr::LOCALHOST.into());
        assert!((0..1000).all(|_| beginnings.require_place(&network, now).is_ok()));
    }
}
