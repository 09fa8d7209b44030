//! Token buckets: limits of requests per address and per account.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;

use crate::daemon::network_of;
use crate::nonpoison::Mutex;
use atproto::syntax::Did;

/// Number of addresses and of accounts kept, at about 100 bytes each; the least used are evicted first.
const MAX_BUCKETS: usize = 10_000;
/// A bucket holds this many seconds of its rate, so that a burst of requests for parallel layers passes.
const BURST_S: u64 = 2;

/// Buckets by address and by account.
pub struct Rates {
    /// Clients without a known address share the bucket of `None`.
    addresses: Buckets<Option<IpAddr>>,
    accounts: Buckets<Did>,
}

impl Rates {
    /// Creates buckets with rates in requests a second; 0 is no limit.
    #[must_use]
    pub fn new(per_address: u32, per_account: u32) -> Self {
        Self { addresses: Buckets::new(per_address), accounts: Buckets::new(per_account) }
    }

    /// Changes the rates. A bucket above its new limit is lowered at its next request.
    pub fn set(&self, per_address: u32, per_account: u32) {
        self.addresses.per_second.store(per_address.into(), Ordering::Relaxed);
        self.accounts.per_second.store(per_account.into(), Ordering::Relaxed);
    }

    /// Counts a request from this address. Returns whether it is within the rate; `None` stands for all clients without
    /// a known address.
    #[must_use]
    pub fn admit_address(&self, address: Option<IpAddr>, now_us: u64) -> bool {
        self.addresses.admit(&address.map(network_of), now_us)
    }

    /// Counts a request of this account. Returns whether it is within the rate.
    #[must_use]
    pub fn admit_account(&self, account: &Did, now_us: u64) -> bool {
        self.accounts.admit(account, now_us)
    }
}

struct Buckets<K> {
    per_second: AtomicU64,
    buckets: Cache<K, Arc<Mutex<TokenBucket>>>,
}

struct TokenBucket {
    /// Millionths of a request left.
    level: u64,
    filled_at_us: u64,
}

impl<K: std::hash::Hash + Eq + Clone> Buckets<K> {
    fn new(per_second: u32) -> Self {
        Self { per_second: AtomicU64::new(per_second.into()), buckets: Cache::new(MAX_BUCKETS) }
    }

    fn admit(&self, key: &K, now_us: u64) -> bool {
        const REQUEST: u64 = 1_000_000;
        let per_second = self.per_second.load(Ordering::Relaxed);
        if per_second == 0 {
            return true;
        }
        let full = per_second * BURST_S * REQUEST;
        let fresh = || {
            Ok::<_, std::convert::Infallible>(Arc::new(Mutex::new(TokenBucket { level: full, filled_at_us: now_us })))
        };
        let Ok(bucket) = self.buckets.get_or_insert_with(key, fresh);
        let mut bucket = bucket.lock();
        let elapsed_us = now_us.saturating_sub(bucket.filled_at_us);
        bucket.level = full.min(bucket.level.saturating_add(elapsed_us.saturating_mul(per_second)));
        bucket.filled_at_us = now_us;
        if bucket.level < REQUEST {
            return false;
        }
        bucket.level -= REQUEST;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Rates;

    #[test]
    fn a_flood_of_one_address_leaves_others_alone() -> Result<(), std::net::AddrParseError> {
        let rates = Rates::new(10, 0);
        let (flooder, other) = (Some("192.0.2.1".parse()?), Some("192.0.2.2".parse()?));
        let admitted = (0..100).filter(|_| rates.admit_address(flooder, 5_000_000)).count();
        assert_eq!(admitted, 20);
        assert!(rates.admit_address(other, 5_000_000));
        assert!(rates.admit_address(flooder, 5_100_000), "a tenth of a second later one more");
        assert!(!rates.admit_address(flooder, 5_100_000));
        assert!(rates.admit_address(Some("::ffff:192.0.2.2".parse()?), 5_000_000));
        let unknown = (0..100).filter(|_| rates.admit_address(None, 5_000_000)).count();
        assert_eq!(unknown, 20, "those who are not known are one");
        rates.set(1, 0);
        assert_eq!((0..9).filter(|_| rates.admit_address(other, 5_000_000)).count(), 2, "other rates hold at once");
        Ok(())
    }
}
