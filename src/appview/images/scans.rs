//! Which manifests of an account have a subject, by looking through all of its records: what was pushed elsewhere stands
//! nowhere else. A look is good until the repository has another revision, which one short call tells.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::repos::{Repos, ReposError};
use atproto::syntax::{Did, Digest};
use server::bulkhead::Locks;
use server::identity::Account;

/// How long a look is good without asking for the revision.
const TTL: Duration = Duration::from_secs(5);
/// Referrers that are remembered of all accounts together, at some 100 bytes; of one account there are 10,000 at most.
const MAX_REMEMBERED: u64 = 100_000;
/// Accounts that are remembered.
const ACCOUNTS: usize = 1024;

/// What was found in an account's records.
pub(super) struct Scan {
    /// Subjects, and the manifests that have them.
    pub(super) found: BTreeSet<(Digest, Digest)>,
    /// Whether all of its records were seen.
    pub(super) is_whole: bool,
    /// When it began, microseconds since 1970.
    pub(super) begun_us: u64,
    revision: Option<String>,
}

#[derive(Clone)]
struct ByFound;

impl Weighter<Did, (Arc<Scan>, Instant)> for ByFound {
    fn weight(&self, _: &Did, (scan, _): &(Arc<Scan>, Instant)) -> u64 {
        1 + scan.found.len() as u64
    }
}

pub(super) struct Scans {
    remembered: Cache<Did, (Arc<Scan>, Instant), ByFound>,
    turns: Locks<Did>,
}

impl Default for Scans {
    fn default() -> Self {
        Self { remembered: Cache::with_weighter(ACCOUNTS, MAX_REMEMBERED, ByFound), turns: Locks::default() }
    }
}

impl Scans {
    /// What is in an account's records now, or was a few seconds ago.
    pub(super) async fn of(&self, repos: &Repos, account: &Account, now_us: u64) -> Result<Arc<Scan>, ReposError> {
        // Whoever comes meanwhile gets what the first one finds.
        let _turn = self.turns.lock(&account.did).await;
        let known = self.remembered.get(&account.did);
        if let Some((scan, at)) = &known
            && at.elapsed() < TTL
        {
            return Ok(Arc::clone(scan));
        }
        let looked = Instant::now();
        let revision = repos.revision(account).await?;
        let scan = match known {
            Some((scan, _)) if scan.is_whole && scan.revision.is_some() && scan.revision == revision => scan,
            _ => {
                let mut found = BTreeSet::new();
                let is_whole = repos.subjects(account, |subject, digest| found.extend([(subject, digest)])).await?;
                Arc::new(Scan { found, is_whole, begun_us: now_us, revision })
            }
        };
        self.remembered.insert(account.did.clone(), (Arc::clone(&scan), looked));
        Ok(scan)
    }

    /// The next question looks again.
    pub(super) fn forget(&self, account: &Did) {
        self.remembered.remove(account);
    }
}
