//! Scans of an account's records for manifests with a subject, to find those that were pushed elsewhere. A scan is good
//! until the repository has another revision, which one short call returns.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;

use crate::cache::TimedCache;
use crate::repos::{Repos, ReposError};
use atproto::syntax::{Did, Digest};
use server::bulkhead::Locks;
use server::identity::Account;

/// How long a scan is used without a check of the revision.
const TTL: Duration = Duration::from_secs(5);
/// Weight of the cache: referrers of all accounts, at some 100 bytes each; one account has at most 10,000.
const MAX_REMEMBERED: u64 = 100_000;
/// Number of accounts in the cache.
const ACCOUNTS: usize = 1024;

/// The result of a scan.
pub(super) struct Scan {
    /// Pairs of subject and manifest.
    pub(super) found: BTreeSet<(Digest, Digest)>,
    /// Whether all records were read.
    pub(super) is_whole: bool,
    /// Start of the scan, microseconds since 1970.
    pub(super) begun_us: u64,
    revision: Option<String>,
}

#[derive(Clone)]
struct ByFound;

impl Weighter<Did, Arc<Scan>> for ByFound {
    fn weight(&self, _: &Did, scan: &Arc<Scan>) -> u64 {
        1 + scan.found.len() as u64
    }
}

pub(super) struct Scans {
    remembered: TimedCache<Did, Arc<Scan>, ByFound>,
    locks: Locks<Did>,
}

impl Default for Scans {
    fn default() -> Self {
        let remembered = TimedCache::weighted(ACCOUNTS, MAX_REMEMBERED, ByFound, TTL);
        Self { remembered, locks: Locks::default() }
    }
}

impl Scans {
    /// Returns a scan of an account's records, at most a few seconds old.
    pub(super) async fn of(&self, repos: &Repos, account: &Account, now_us: u64) -> Result<Arc<Scan>, ReposError> {
        // Concurrent callers wait for the first one's scan.
        let _guard = self.locks.lock(&account.did).await;
        if let Some(scan) = self.remembered.get(&account.did) {
            return Ok(scan);
        }
        let (look_up, last) = (self.remembered.begin(&account.did), self.remembered.last(&account.did));
        let revision = repos.revision(account).await?;
        let scan = match last {
            Some(scan) if scan.is_whole && scan.revision.is_some() && scan.revision == revision => scan,
            _ => {
                let mut found = BTreeSet::new();
                let is_whole = repos.subjects(account, |subject, digest| found.extend([(subject, digest)])).await?;
                Arc::new(Scan { found, is_whole, begun_us: now_us, revision })
            }
        };
        self.remembered.keep(account.did.clone(), Arc::clone(&scan), look_up);
        Ok(scan)
    }

    /// Drops the cached scan of an account after a deletion. One that is under way is not cached: what was deleted may be in
    /// it.
    pub(super) fn forget(&self, account: &Did) {
        self.remembered.remove(account);
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Did, Digest, Scan, Scans};

    #[test]
    fn a_scan_of_an_account_with_thousands_of_referrers_is_kept_however_many_cores_there_are() {
        let (scans, account) = (Scans::default(), Did::parse("did:web:a.example").unwrap());
        let digest = |number: u32| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            Digest::from_bytes(bytes)
        };
        let found = (0..50_000).map(|number| (digest(0), digest(number))).collect();
        let scan = Scan { found, is_whole: true, begun_us: 1, revision: None };
        scans.remembered.insert(account.clone(), Arc::new(scan));
        assert!(scans.remembered.get(&account).is_some());
    }
}
