//! Records that holds publish about themselves, cached: the captain, pull and push counts, crew members.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::UnitWeighter;
use serde_json::Map;

use super::Catalog;
use super::answer_cache::{AnswerCache, CacheTimes, LookUpError};
use crate::index::{MAX_COUNT, PullCount};
use atproto::lexicon::{Captain, Stats};
use atproto::syntax::{Did, HoldId, ImageName};

const TIMES: CacheTimes = CacheTimes {
    fresh: Duration::from_secs(5 * 60),
    failed: Duration::from_secs(60),
    time_out: Duration::from_secs(3),
};
/// Number of cache entries of each kind, at some 500 bytes.
const MAX_REMEMBERED: usize = 2048;

/// Pull and push counts of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageCounts {
    /// Number of manifest downloads.
    pub pulls: u64,
    /// Number of manifest uploads.
    pub pushes: u64,
}

pub(super) struct HoldFacts {
    captains: Arc<AnswerCache<Did, Arc<Captain>, UnitWeighter>>,
    counts: Arc<AnswerCache<(Did, Did, ImageName), ImageCounts, UnitWeighter>>,
    writers: Arc<AnswerCache<(Did, Did), bool, UnitWeighter>>,
}

impl Default for HoldFacts {
    fn default() -> Self {
        let (max, weight) = (MAX_REMEMBERED, MAX_REMEMBERED as u64);
        let fresh_for = |seconds| CacheTimes { fresh: Duration::from_secs(seconds), ..TIMES };
        Self {
            captains: AnswerCache::new(max, weight, UnitWeighter, TIMES),
            counts: AnswerCache::new(max, weight, UnitWeighter, fresh_for(60)),
            writers: AnswerCache::new(max, weight, UnitWeighter, fresh_for(30)),
        }
    }
}

impl Catalog {
    /// Returns the captain record of a hold: its owner, and what it allows.
    ///
    /// # Errors
    /// [`LookUpError`]; the same below.
    pub async fn captain(&self, hold: &HoldId) -> Result<Arc<Captain>, LookUpError> {
        let (holds, asked) = (Arc::clone(&self.holds), hold.clone());
        let ask = async move { holds.captain(&asked).await.map(bounded).map(Arc::new).map_err(LookUpError::of) };
        self.hold_facts.captains.get(hold.did().clone(), ask).await
    }

    /// Returns the pull and push counts of an image from its hold.
    ///
    /// # Errors
    /// [`LookUpError`]
    pub async fn counts(&self, hold: &HoldId, owner: &Did, name: &ImageName) -> Result<ImageCounts, LookUpError> {
        let (holds, index) = (Arc::clone(&self.holds), Arc::clone(&self.index));
        let (asked, owner_did, image) = (hold.clone(), owner.clone(), name.clone());
        let ask = async move {
            let stats = holds.stats(&asked, &owner_did, &image).await.map_err(LookUpError::of)?;
            let counts = |stats: Stats| (stats.pull_count.min(MAX_COUNT), stats.push_count);
            let (pulls, pushes) = stats.map_or((0, 0), counts);
            // Keeps the search results consistent with the page.
            let count = PullCount::new(owner_did, image, pulls);
            if let Err(error) = index.set_pull_counts(asked.did(), vec![count]).await {
                tracing::warn!(%error, "the index was not told how often an image was pulled");
            }
            Ok(ImageCounts { pulls, pushes })
        };
        self.hold_facts.counts.get((hold.did().clone(), owner.clone(), name.clone()), ask).await
    }

    /// Whether an account is a crew member of a hold with permission to write.
    ///
    /// # Errors
    /// [`LookUpError`]
    pub async fn may_write(&self, hold: &HoldId, account: &Did) -> Result<bool, LookUpError> {
        let (holds, asked) = (Arc::clone(&self.holds), (hold.clone(), account.clone()));
        let ask = async move { holds.may_write(&asked.0, &asked.1).await.map_err(LookUpError::of) };
        self.hold_facts.writers.get((hold.did().clone(), account.clone()), ask).await
    }
}

/// Returns the fields of a captain record that are used, each of which has a limit: a hold may put anything into the
/// others.
fn bounded(captain: Captain) -> Captain {
    Captain { region: None, other: Map::new(), ..captain }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::bounded;

    #[test]
    fn of_a_captain_record_only_that_is_kept_which_has_a_limit() {
        let long = "x".repeat(1_000_000);
        let captain = json!({
            "owner": "did:web:a.example", "public": true, "allowAllCrew": false, "deployedAt": "2026-01-01T00:00:00Z",
            "region": long, "successor": "did:web:b.example", "more": [long],
        });
        let kept = bounded(serde_json::from_value(captain).unwrap());
        assert!(kept.public && !kept.allow_all_crew && kept.successor.is_some());
        assert!(serde_json::to_string(&kept).unwrap().len() < 300);
    }
}
