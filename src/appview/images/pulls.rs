//! What holds are told of pulls, which they count. Nobody waits for it, and nothing is kept: what finds no room, what a
//! hold does not take in time, and what waits when the process ends is dropped.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use quick_cache::unsync::Cache;
use tokio::time::{Instant, timeout};

use super::manifest::Document;
use super::{Images, PulledManifest};
use crate::accounts::Login;
use crate::gate::PullPermit;
use crate::holds::{Holds, HoldsError};
use crate::names::Reference;
use atproto::lexicon::{ManifestInfo, NotifyManifest};
use atproto::syntax::{Did, Digest, ImageName, ServiceUrl};
use server::bulkhead::{Bulkhead, BulkheadLimits};
use server::identity::Account;
use server::label;
use server::metrics::CounterBy;

/// An account's pulls are told one after the other: the first one gets the token for all to the same hold, and whose PDS
/// or hold does not answer holds up its own.
const OF_ACCOUNTS: BulkheadLimits = BulkheadLimits {
    places: 128,
    places_per_caller: 1,
    queue: 1024,
    queue_per_caller: 32,
    max_wait: Duration::from_secs(60),
};
/// A hold that does not answer has 32 of the 128 places of accounts at most.
const TO_HOLDS: BulkheadLimits = BulkheadLimits {
    places: 128,
    places_per_caller: 8,
    queue: 128,
    queue_per_caller: 24,
    max_wait: Duration::from_secs(5),
};
/// How long a hold, and before it the PDS that makes the token for it, may take.
const NOTICE_TIME: Duration = Duration::from_secs(5);
/// How long all pulls of an image by one account are one.
const ONE_PULL: Duration = Duration::from_mins(1);
/// How long pulls of an index's manifests by whoever pulled the index are that pull.
const WITH_INDEX: Duration = Duration::from_mins(60);
/// Manifests of an index that are remembered.
const MAX_CHILDREN: usize = 256;
/// Pulls that are remembered, at some 200 bytes.
const MAX_PULLS: usize = 16_384;
/// Manifests of indexes that are remembered, at some 150 bytes.
const MAX_ALL_CHILDREN: usize = 32_768;

label! {
    /// What became of a pull that a hold is to count.
    pub enum PullOutcome {
        /// The hold took it.
        Delivered = "delivered",
        /// The hold refused it.
        Refused = "refused",
        /// The hold, or the puller's PDS, did not answer in time.
        Failed = "failed",
        /// Too many wait.
        Dropped = "dropped",
    }
}

/// Tells holds of pulls.
pub(super) struct Pulls {
    holds: Arc<Holds>,
    recent: Mutex<Recent>,
    of_accounts: Bulkhead<Did>,
    to_holds: Bulkhead<Did>,
    outcomes: CounterBy<PullOutcome>,
}

/// Who pulled what of late.
struct Recent {
    /// Images, by who pulled and whose they are.
    pulls: Cache<(Did, Did, ImageName), Instant>,
    /// Manifests that an index names, by who pulled that and whose it is.
    children: Cache<(Did, Did, Digest), Instant>,
}

/// One pull by an account.
struct Pull {
    login: Login,
    owner: Did,
    name: ImageName,
    reference: Reference,
    hold: ServiceUrl,
    digest: Digest,
    media_type: String,
}

impl Images {
    /// Has the hold of a manifest count that it was pulled, later: nobody waits for it. Only accounts' pulls are counted,
    /// and not what a push looks at.
    pub fn pulled(&self, permit: &PullPermit, owner: &Account, reference: &Reference, manifest: &PulledManifest) {
        let (Some(login), Some(hold), false) = (permit.login(), &manifest.hold, permit.may_push()) else { return };
        let pull = Pull {
            login: login.clone(),
            owner: owner.did.clone(),
            name: permit.repository().name.clone(),
            reference: reference.clone(),
            hold: hold.clone(),
            digest: manifest.digest,
            media_type: manifest.media_type.clone(),
        };
        let (pulls, bytes) = (Arc::clone(&self.pulls), manifest.bytes.clone());
        tokio::spawn(async move { pulls.count(&pull, bytes).await });
    }

    /// Returns what became of the pulls that holds are to count.
    #[must_use]
    pub fn pull_outcomes(&self) -> &CounterBy<PullOutcome> {
        &self.pulls.outcomes
    }
}

impl Pulls {
    pub(super) fn new(holds: Arc<Holds>) -> Self {
        Self {
            holds,
            recent: Mutex::default(),
            of_accounts: Bulkhead::new(OF_ACCOUNTS),
            to_holds: Bulkhead::new(TO_HOLDS),
            outcomes: CounterBy::default(),
        }
    }

    async fn count(&self, pull: &Pull, bytes: Bytes) {
        if !self.is_new(pull, &bytes) {
            return;
        }
        // What waits keeps no manifests.
        drop(bytes);
        let outcome = self.tell(pull).await;
        self.outcomes.inc(outcome);
    }

    /// Whether it is a pull of its own.
    fn is_new(&self, pull: &Pull, bytes: &[u8]) -> bool {
        let links: Option<Document> = serde_json::from_slice(bytes).ok();
        let is_attached = match &pull.reference {
            Reference::Tag(tag) => tag.attached_to().is_some(),
            Reference::Digest(_) => false,
        };
        if is_attached || links.as_ref().is_some_and(Document::has_subject) {
            return false;
        }
        let children = links.iter().flat_map(Document::children).take(MAX_CHILDREN);
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).add(pull, children, Instant::now())
    }

    async fn tell(&self, pull: &Pull) -> PullOutcome {
        let Ok(_turn) = self.of_accounts.enter(&pull.login.account).await else { return PullOutcome::Dropped };
        let Ok(_place) = self.to_holds.enter(pull.hold.did()).await else { return PullOutcome::Dropped };
        let (hold, account, owner, image) = (&pull.hold, &pull.login.account, &pull.owner, &pull.name);
        match timeout(NOTICE_TIME, self.holds.notify(hold, &pull.login, &pull.notice())).await {
            Ok(Ok(())) => PullOutcome::Delivered,
            Ok(Err(error)) => {
                tracing::debug!(did = %account, %owner, %image, "a hold was not told of a pull: {error}");
                let is_refusal = matches!(error, HoldsError::Refused { .. });
                if is_refusal { PullOutcome::Refused } else { PullOutcome::Failed }
            }
            Err(_) => {
                tracing::debug!(did = %account, %owner, %image, %hold, "a hold was not told of a pull in time");
                PullOutcome::Failed
            }
        }
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self { pulls: Cache::new(MAX_PULLS), children: Cache::new(MAX_ALL_CHILDREN) }
    }
}

impl Recent {
    /// Remembers a pull, and the manifests that it names. Returns whether it is one of its own: neither of an image that
    /// was pulled just now, nor of what an index named.
    fn add(&mut self, pull: &Pull, children: impl Iterator<Item = Digest>, now: Instant) -> bool {
        let (account, owner) = (&pull.login.account, &pull.owner);
        for child in children {
            self.children.insert((account.clone(), owner.clone(), child), now);
        }
        let named = self.children.get(&(account.clone(), owner.clone(), pull.digest));
        let is_by_digest = matches!(pull.reference, Reference::Digest(_));
        if is_by_digest && named.is_some_and(|at| now.duration_since(*at) < WITH_INDEX) {
            return false;
        }
        let image = (account.clone(), owner.clone(), pull.name.clone());
        if self.pulls.get(&image).is_some_and(|at| now.duration_since(*at) < ONE_PULL) {
            return false;
        }
        self.pulls.insert(image, now);
        true
    }
}

impl Pull {
    fn notice(&self) -> NotifyManifest {
        let tag = match &self.reference {
            Reference::Tag(tag) => Some(tag.to_string()),
            Reference::Digest(_) => None,
        };
        NotifyManifest {
            repository: self.name.to_string(),
            user_did: self.owner.clone(),
            manifest_digest: self.digest.to_string(),
            manifest: ManifestInfo { media_type: Some(self.media_type.clone()), ..ManifestInfo::default() },
            tag,
            operation: Some("pull".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atproto::syntax::Tag;

    fn pull(reference: Reference, digest: u8) -> Pull {
        let account = Did::parse("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
        Pull {
            login: Login { account: account.clone(), session: 1 },
            owner: account,
            name: ImageName::parse("app").unwrap(),
            reference,
            hold: ServiceUrl::parse("https://hold.example").unwrap(),
            digest: Digest::from_bytes([digest; 32]),
            media_type: String::new(),
        }
    }

    #[test]
    fn an_image_is_pulled_again_after_a_minute_and_by_what_an_index_named_after_an_hour() {
        let mut recent = Recent::default();
        let (began, child) = (Instant::now(), Digest::from_bytes([2; 32]));
        let mut add = |pull: &Pull, after_s: u64| {
            let children = (pull.digest != child).then_some(child).into_iter();
            recent.add(pull, children, began + Duration::from_secs(after_s))
        };
        let by_tag = pull(Reference::Tag(Tag::parse("v1").unwrap()), 1);
        let of_child = pull(Reference::Digest(child), 2);
        assert!(add(&by_tag, 0));
        assert!(!add(&by_tag, 59), "a client in a loop");
        assert!(add(&by_tag, 61));
        assert!(!add(&of_child, 61 + 59 * 60), "it is part of the pull of its index");
        assert!(add(&of_child, 61 + 61 * 60));
        assert!(add(&pull(Reference::Tag(Tag::parse("arm").unwrap()), 2), 61 + 63 * 60), "somebody named it");
    }
}
