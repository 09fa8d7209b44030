//! A lock for each digest, shared by completion, repair and garbage collection.

use super::Blobs;
use super::last_used::{DeletionClaim, UsageTracker};
use atproto::syntax::Digest;
use server::bulkhead::{LockGuard, Locks};

/// Time within which a store may still carry out an unanswered request to remove an object, in microseconds: the
/// request's signature is valid for 15 minutes.
pub const REMOVAL_SETTLED_US: u64 = 16 * 60 * 1_000_000;

/// The locks of all digests; cheap to clone.
///
/// Completion holds the lock from its look for the blob until the blob has its row. Verification, repair and garbage
/// collection decide and delete under the same lock: no upload is acknowledged because of a blob that is about to be
/// removed.
#[derive(Clone, Default)]
pub struct DigestLock {
    locks: Locks<Digest>,
    pub(super) usage: UsageTracker,
}

/// The lock of one digest. Until it is dropped, no one else changes what lies under the digest.
pub struct DigestGuard(LockGuard<Digest>);

impl DigestGuard {
    /// Returns the locked digest.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        self.0.name()
    }
}

impl DigestLock {
    /// Waits for the lock of a digest. A caller that also needs the lock of an upload takes that one first.
    pub async fn lock(&self, digest: &Digest) -> DigestGuard {
        DigestGuard(self.locks.lock(digest).await)
    }

    /// Takes the lock of a digest. Returns `None` when it is taken.
    #[must_use]
    pub fn try_lock(&self, digest: &Digest) -> Option<DigestGuard> {
        self.locks.try_lock(digest).map(DigestGuard)
    }

    /// Claims those of `digests` without a use since `before_us` that this process knows of; none when uses since then
    /// were forgotten. Readers of a claimed blob wait until the claim is dropped.
    #[must_use]
    pub fn claim_unused(&self, digests: impl IntoIterator<Item = Digest>, before_us: u64) -> DeletionClaim {
        self.usage.claim_unused(digests, before_us)
    }

    /// Sets the uses after `latest_us` that this process knows of to `now_us`: they are of a clock that was ahead.
    pub fn bring_back_uses(&self, now_us: u64, latest_us: u64) {
        self.usage.bring_back(now_us, latest_us);
    }
}

impl Blobs {
    /// Returns the digest locks of this room, for repair and garbage collection.
    #[must_use]
    pub fn digests(&self) -> DigestLock {
        self.digests.clone()
    }
}
