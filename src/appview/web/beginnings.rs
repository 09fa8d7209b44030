//! Limit of sign-ins that one network begins: there is a limit of all sign-ins under way.

use std::sync::{Mutex, PoisonError};
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
    /// Counts a sign-in of a network. Clients of a proxy that does not name them have no limit.
    ///
    /// # Errors
    /// The seconds until the next one is allowed.
    pub(super) fn begin(&self, network: &Caller, now: Instant) -> Result<(), u64> {
        if *network == Caller::Unknown {
            return Ok(());
        }
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = begun.get(network).copied().filter(|(_, since)| now.duration_since(*since) < WINDOW);
        let (count, since) = known.unwrap_or((0, now));
        if count >= MAX_OF_NETWORK {
            return Err(WINDOW.saturating_sub(now.duration_since(since)).as_secs() + 1);
        }
        begun.insert(network.clone(), (count + 1, since));
        Ok(())
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
        assert!((0..100).all(|_| beginnings.begin(&of(1), now).is_ok()));
        assert_eq!(beginnings.begin(&of(1), minutes(5)), Err(601));
        assert_eq!(beginnings.begin(&of(2), minutes(5)), Ok(()));
        assert!((0..200).all(|_| beginnings.begin(&Caller::Unknown, now).is_ok()));
        assert_eq!(beginnings.begin(&of(1), minutes(15)), Ok(()));
    }
}
