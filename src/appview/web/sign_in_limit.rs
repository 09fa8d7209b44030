//! Limit of sign-ins that one network begins: there is a limit of all sign-ins under way.

use tokio::time::Instant;

use super::counts::{Count, Counts};
use server::bulkhead::Caller;
use server::nonpoison::{Mutex, MutexGuard};

/// Limit of sign-ins of one network within their lifetime, a hundredth of that of all.
const MAX_OF_NETWORK: u32 = 100;

/// Number of sign-ins of each network, from the first one on.
#[derive(Default)]
pub(super) struct SignInLimit(Mutex<Counts>);

impl SignInLimit {
    /// Looks whether a network may begin a sign-in. Clients of a proxy that does not name them have no limit.
    ///
    /// # Errors
    /// The seconds until the next one is allowed.
    pub(super) fn check(&self, network: &Caller, now: Instant) -> Result<(), u64> {
        if *network == Caller::Unknown {
            return Ok(());
        }
        self.counts().require_less(network, MAX_OF_NETWORK, now)
    }

    /// Counts a sign-in that has begun. One that failed before does not count: a server that is away, or a misspelt name.
    pub(super) fn begun(&self, network: &Caller, now: Instant) {
        let mut counts = self.counts();
        let Count { number, since } = counts.of(network, now);
        counts.put(network.clone(), Count { number: number.saturating_add(1), since });
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_network_leaves_places_to_others() {
        let (limit, now) = (SignInLimit::default(), Instant::now());
        let of = |number: u32| Caller::Network(Ipv4Addr::from_bits(number).into());
        let minutes = |count| now + Duration::from_mins(count);
        for network in [of(1), Caller::Unknown] {
            for _ in 0..100 {
                assert_eq!(limit.check(&network, now), Ok(()));
                limit.begun(&network, now);
            }
        }
        assert_eq!(limit.check(&of(1), minutes(5)), Err(601));
        assert_eq!(limit.check(&of(2), minutes(5)), Ok(()));
        assert_eq!(limit.check(&Caller::Unknown, now), Ok(()));
        assert_eq!(limit.check(&of(1), minutes(15)), Ok(()));
    }

    #[test]
    fn what_did_not_begin_takes_no_place() {
        let (limit, now) = (SignInLimit::default(), Instant::now());
        let network = Caller::Network(Ipv4Addr::LOCALHOST.into());
        assert!((0..1000).all(|_| limit.check(&network, now).is_ok()));
    }
}
