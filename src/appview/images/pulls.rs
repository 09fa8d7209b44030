//! Notices of pulls to holds, which count them. No request waits for a notice, and none is stored: those over the
//! limits, those that a hold does not accept in time, and those that wait when the process ends are dropped.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::unsync::Cache;
use tokio::time::{Instant, timeout};

use super::{Images, PulledManifest};
use crate::accounts::Login;
use crate::gate::PullPermit;
use crate::holds::{Holds, HoldsError};
use crate::names::Reference;
use atproto::lexicon::{ManifestInfo, NotifyManifest};
use atproto::syntax::{Did, Digest, HoldId, ImageName};
use server::bulkhead::{Bulkhead, BulkheadLimits};
use server::identity::Account;
use server::label;
use server::metrics::CounterBy;
use server::nonpoison::{Mutex, MutexGuard};

/// Limits by account. An account's notices are sent one after the other: the first one gets the token for all to the
/// same hold, and an account whose PDS or hold does not answer delays only its own.
const OF_ACCOUNTS: BulkheadLimits = BulkheadLimits {
    slots: 128,
    slots_per_caller: 1,
    queue: 1024,
    queue_per_caller: 32,
    max_wait: Duration::from_secs(60),
};
/// Limits by hold. A hold that does not answer takes at most 32 of the 128 slots of accounts.
const TO_HOLDS: BulkheadLimits = BulkheadLimits {
    slots: 128,
    slots_per_caller: 8,
    queue: 128,
    queue_per_caller: 24,
    max_wait: Duration::from_secs(5),
};
/// Time-out of a notice, with the PDS's call for its token.
const NOTICE_TIME: Duration = Duration::from_secs(5);
/// Time in which all pulls of an image by one account count as one.
const ONE_PULL: Duration = Duration::from_mins(1);
/// Time in which pulls of an index's manifests count as part of the pull of the index.
const WITH_INDEX: Duration = Duration::from_mins(60);
/// Pulls that are remembered, at some 250 bytes.
const MAX_PULLS: usize = 16_384;
/// Manifests of indexes that are remembered, at some 150 bytes.
const MAX_CHILDREN: usize = 32_768;
/// The least time between two lines of the log about pulls that are dropped.
const LOG_EVERY: Duration = Duration::from_mins(1);

label! {
    /// Result of the notice of a pull.
    pub enum PullOutcome {
        /// The hold accepted it.
        Delivered = "delivered",
        /// The hold refused it.
        Refused = "refused",
        /// The hold, or the PDS of the account, did not answer in time.
        Failed = "failed",
        /// Too many were waiting.
        Dropped = "dropped",
    }
}

/// Notices of pulls to holds.
pub(super) struct Pulls {
    holds: Arc<Holds>,
    recent: Mutex<Recent>,
    of_accounts: Bulkhead<Did>,
    to_holds: Bulkhead<Did>,
    outcomes: CounterBy<PullOutcome>,
    /// When the log last said that pulls are dropped.
    logged: Mutex<Option<Instant>>,
}

/// An image, by who pulled it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct PulledImage {
    account: Did,
    owner: Did,
    name: ImageName,
}

/// Recent pulls.
struct Recent {
    /// The time from which all pulls of an image count as one, and the manifest that was read last.
    pulls: Cache<PulledImage, (Instant, Digest)>,
    /// Manifests that an index names, by who pulled that and whose it is.
    children: Cache<(Did, Did, Digest), Instant>,
}

/// One pull by an account.
struct Pull {
    login: Login,
    image: PulledImage,
    reference: Reference,
    hold: HoldId,
    digest: Digest,
    media_type: String,
}

impl Images {
    /// Has the hold of a manifest count that it was pulled, later: nobody waits for it. Only accounts' pulls are counted,
    /// and neither what a push looks at nor what is attached to an image.
    pub fn pulled(&self, permit: &PullPermit, owner: &Account, reference: &Reference, manifest: &PulledManifest) {
        let (Some(login), Some(hold), false) = (permit.login(), &manifest.hold, permit.may_push()) else { return };
        let is_attached = matches!(reference, Reference::Tag(tag) if tag.attached_to().is_some());
        if is_attached || manifest.has_subject {
            return;
        }
        let (account, owner, name) = (login.account.clone(), owner.did.clone(), permit.repository().name.clone());
        let image = PulledImage { account, owner, name };
        if !self.pulls.recent().add(&image, reference, &manifest.digest, &manifest.children, Instant::now()) {
            return;
        }
        let pull = Pull {
            login: login.clone(),
            image,
            reference: reference.clone(),
            hold: hold.clone(),
            digest: manifest.digest,
            media_type: manifest.media_type.clone(),
        };
        let pulls = Arc::clone(&self.pulls);
        tokio::spawn(async move { pulls.outcomes.inc(pulls.tell(&pull).await) });
    }

    /// Returns the counters of pull notices by result.
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
            logged: Mutex::default(),
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock()
    }

    async fn tell(&self, pull: &Pull) -> PullOutcome {
        let Ok(_account_slot) = self.of_accounts.enter(&pull.login.account).await else {
            return self.dropped(pull);
        };
        let Ok(_hold_slot) = self.to_holds.enter(pull.hold.did()).await else { return self.dropped(pull) };
        let (hold, PulledImage { account, owner, name: image }) = (&pull.hold, &pull.image);
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

    /// Says in the log, once in a while, that pulls are not counted.
    fn dropped(&self, pull: &Pull) -> PullOutcome {
        let mut logged = self.logged.lock();
        if logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            *logged = Some(Instant::now());
            let (did, hold) = (&pull.login.account, pull.hold.did());
            tracing::warn!(%did, %hold, "pulls are not counted: too many wait until their hold is told");
        }
        PullOutcome::Dropped
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self { pulls: Cache::new(MAX_PULLS), children: Cache::new(MAX_CHILDREN) }
    }
}

impl Recent {
    /// Remembers that a manifest of an image was read, and the manifests that it names. Returns whether that is a pull of
    /// its own: neither of an image that was pulled just now, nor of what an index named.
    fn add(
        &mut self,
        image: &PulledImage,
        reference: &Reference,
        digest: &Digest,
        children: &[Digest],
        now: Instant,
    ) -> bool {
        let last = self.pulls.get(image).copied().filter(|(since, _)| now.duration_since(*since) < ONE_PULL);
        // A client in a loop: all of it is remembered.
        if last.is_some_and(|(_, read)| read == *digest) {
            return false;
        }
        let PulledImage { account, owner, .. } = image;
        for child in children {
            self.children.insert((account.clone(), owner.clone(), *child), now);
        }
        let named = self.children.get(&(account.clone(), owner.clone(), *digest));
        let is_by_digest = matches!(reference, Reference::Digest(_));
        if is_by_digest && named.is_some_and(|at| now.duration_since(*at) < WITH_INDEX) {
            return false;
        }
        let since = last.map_or(now, |(since, _)| since);
        self.pulls.insert(image.clone(), (since, *digest));
        last.is_none()
    }
}

impl Pull {
    fn notice(&self) -> NotifyManifest {
        let tag = match &self.reference {
            Reference::Tag(tag) => Some(tag.to_string()),
            Reference::Digest(_) => None,
        };
        NotifyManifest {
            repository: self.image.name.to_string(),
            user_did: self.image.owner.clone(),
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

    /// Reads manifests of an image, each of them at so many seconds.
    struct Reads(Recent, Instant);

    impl Reads {
        fn add(&mut self, reference: &Reference, digest: Digest, children: &[Digest], after_s: u64) -> bool {
            let account = Did::parse("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
            let image =
                PulledImage { account: account.clone(), owner: account, name: ImageName::parse("app").unwrap() };
            self.0.add(&image, reference, &digest, children, self.1 + Duration::from_secs(after_s))
        }
    }

    fn by_tag(tag: &str) -> Reference {
        Reference::Tag(Tag::parse(tag).unwrap())
    }

    #[test]
    fn an_image_is_pulled_again_after_a_minute_and_by_what_an_index_named_after_an_hour() {
        let mut reads = Reads(Recent::default(), Instant::now());
        let [index, child] = [1, 2].map(|byte| Digest::from_bytes([byte; 32]));
        assert!(reads.add(&by_tag("v1"), index, &[child], 0));
        assert!(!reads.add(&by_tag("v1"), index, &[child], 59), "a client in a loop");
        assert!(reads.add(&by_tag("v1"), index, &[child], 61));
        let of_child = Reference::Digest(child);
        assert!(!reads.add(&of_child, child, &[], 61 + 59 * 60), "it is part of the pull of its index");
        assert!(reads.add(&of_child, child, &[], 61 + 61 * 60));
        assert!(reads.add(&by_tag("arm"), child, &[], 61 + 63 * 60), "somebody named it");
    }

    #[test]
    fn another_index_of_an_image_that_was_pulled_just_now_names_what_it_has_all_the_same() {
        let mut reads = Reads(Recent::default(), Instant::now());
        let [index, child, other, its_child] = [1, 2, 3, 4].map(|byte| Digest::from_bytes([byte; 32]));
        assert!(reads.add(&by_tag("v1"), index, &[child], 0));
        assert!(!reads.add(&by_tag("v2"), other, &[its_child], 50));
        assert!(!reads.add(&Reference::Digest(its_child), its_child, &[], 70));
        assert!(reads.add(&by_tag("v2"), other, &[its_child], 71), "a minute after the pull that was counted");
    }
}
