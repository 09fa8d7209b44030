//! The last use of each blob, with write-behind. A client that is told of a blob does not upload it, and refers to it
//! in a manifest some time later. Until then only its last use keeps the blob from garbage collection.
//!
//! A use is kept in memory and flushed to the database a moment later, at most once per interval for each blob. Garbage
//! collection reads the uses in memory too, so nothing depends on how soon they are flushed; a crash loses only the
//! uses of its last moment.

use crate::blobs::tables;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::{BlobError, Blobs};
use atproto::syntax::{Digest, micros};
use server::nonpoison::{Mutex, MutexGuard};

/// Time for which uses are collected before they are flushed together.
const FLUSH_AFTER: Duration = Duration::from_millis(100);
/// Blobs whose last use is kept in memory, at about 80 bytes each; beyond this number, flushed ones are forgotten.
const MAX_TRACKED: usize = 16_384;
/// Unflushed uses kept while the database takes no writes: 15 MB with the other state of these blobs. Beyond this
/// number uses are forgotten, and garbage collection treats every blob as used at that time.
const MAX_UNFLUSHED: usize = 65_536;
/// Least time between two warnings of forgotten uses, in microseconds: one hour.
const WARN_EVERY_US: u64 = 60 * 60 * 1_000_000;

/// The last uses of blobs; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct UsageTracker(Arc<Shared>);

#[derive(Default)]
struct Shared {
    usage: Mutex<Usage>,
    /// Wakes readers when a claim ends.
    claim_ended: Notify,
}

#[derive(Default)]
struct Usage {
    /// The last use of each blob in microseconds since 1970, too early by at most the interval.
    last_used_us: HashMap<Digest, u64>,
    /// Uses that are not in the database yet, in microseconds since 1970.
    unflushed: HashMap<Digest, u64>,
    /// Time when a use was last forgotten because too many wait for the database, in microseconds since 1970.
    forgot_us: Option<u64>,
    /// Whether a flush is due in a moment.
    is_flushing: bool,
    /// Blobs claimed by garbage collection.
    claimed: HashSet<Digest>,
}

/// A claim of garbage collection on blobs that it decides about. Until it is dropped, uses of these blobs wait.
pub struct DeletionClaim {
    tracker: UsageTracker,
    digests: Vec<Digest>,
}

impl DeletionClaim {
    /// Returns the claimed blobs.
    #[must_use]
    pub fn digests(&self) -> &[Digest] {
        &self.digests
    }
}

impl Drop for DeletionClaim {
    fn drop(&mut self) {
        let mut usage = self.tracker.usage();
        self.digests.iter().for_each(|digest| _ = usage.claimed.remove(digest));
        drop(usage);
        self.tracker.0.claim_ended.notify_waiters();
    }
}

impl UsageTracker {
    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.0.usage.lock()
    }

    /// Claims those of `digests` without a use since `before_us`; none when a use since then was forgotten.
    pub(super) fn claim_unused(&self, digests: impl IntoIterator<Item = Digest>, before_us: u64) -> DeletionClaim {
        let mut usage = self.usage();
        if usage.forgot_us.is_some_and(|forgot_us| forgot_us >= before_us) {
            return DeletionClaim { tracker: self.clone(), digests: Vec::new() };
        }
        let is_unused = |digest: &Digest| usage.last_used_us.get(digest).is_none_or(|used_us| *used_us < before_us);
        let digests: Vec<_> = digests.into_iter().filter(is_unused).collect();
        usage.claimed.extend(&digests);
        drop(usage);
        DeletionClaim { tracker: self.clone(), digests }
    }

    /// Sets uses after `latest_us` to `now_us`: they are of a clock that was ahead.
    pub(super) fn bring_back(&self, now_us: u64, latest_us: u64) {
        let mut usage = self.usage();
        let Usage { last_used_us, unflushed, forgot_us, .. } = &mut *usage;
        let uses = last_used_us.values_mut().chain(unflushed.values_mut()).chain(forgot_us);
        uses.filter(|used_us| **used_us > latest_us).for_each(|used_us| *used_us = now_us);
    }

    /// Records a use of a blob; waits while the blob is claimed. Returns whether the caller has to flush in a moment.
    async fn record_use(&self, digest: &Digest, now_us: u64, every: Duration) -> bool {
        loop {
            // Created before the check, so that no notification is missed.
            let claim_ended = self.0.claim_ended.notified();
            if let Some(has_to_flush) = self.usage().record(digest, now_us, every) {
                return has_to_flush;
            }
            claim_ended.await;
        }
    }
}

impl Usage {
    /// Records a use of a blob. Returns whether the caller has to flush in a moment; `None` while the blob is claimed.
    fn record(&mut self, digest: &Digest, now_us: u64, every: Duration) -> Option<bool> {
        if self.claimed.contains(digest) {
            return None;
        }
        let is_recent = |used_us: &u64| now_us.abs_diff(*used_us) < micros(every);
        if self.last_used_us.get(digest).is_some_and(is_recent) {
            return Some(false);
        }
        if self.unflushed.len() >= MAX_UNFLUSHED && !self.unflushed.contains_key(digest) {
            self.forget(now_us);
            return Some(!std::mem::replace(&mut self.is_flushing, true));
        }
        // Rarely done while many uses are unflushed: each run costs time in proportion to the map.
        if self.last_used_us.len() >= MAX_TRACKED.max(2 * self.unflushed.len()) {
            let unflushed = &self.unflushed;
            self.last_used_us.retain(|digest, _| unflushed.contains_key(digest));
        }
        self.last_used_us.insert(*digest, now_us);
        self.unflushed.insert(*digest, now_us);
        Some(!std::mem::replace(&mut self.is_flushing, true))
    }

    fn forget(&mut self, now_us: u64) {
        if self.forgot_us.is_none_or(|forgot_us| now_us.abs_diff(forgot_us) > WARN_EVERY_US) {
            tracing::warn!(
                "{MAX_UNFLUSHED} last uses of blobs wait for the database, more are forgotten: no garbage is collected of \
                 what was used before now"
            );
        }
        self.forgot_us = Some(now_us);
    }
}

impl Blobs {
    /// Returns the number of last uses that are not in the database yet.
    #[must_use]
    pub fn unflushed_uses(&self) -> usize {
        self.digests.usage.usage().unflushed.len()
    }

    /// Records a use of a blob, whether it exists or not. Waits only while garbage collection claims it.
    pub(super) async fn record_use(&self, digest: &Digest, now_us: u64) {
        if self.digests.usage.record_use(digest, now_us, self.sessions.limits().last_used_resolution).await {
            let blobs = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(FLUSH_AFTER).await;
                if let Err(error) = blobs.flush_last_used().await {
                    tracing::warn!(%error, "the last uses of blobs could not be written to the database; will retry");
                }
            });
        }
    }

    /// Writes the last uses of blobs to the database. This happens by itself soon after a use; call it before the
    /// process ends.
    ///
    /// # Errors
    /// When the database fails. The uses stay in memory and are written with the next ones.
    pub async fn flush_last_used(&self) -> Result<(), BlobError> {
        let (unflushed, every_us) = {
            let mut usage = self.digests.usage.usage();
            usage.is_flushing = false;
            (usage.unflushed.clone(), micros(self.sessions.limits().last_used_resolution))
        };
        if unflushed.is_empty() {
            return Ok(());
        }
        let rows = unflushed.clone();
        let write = self.sessions.db.write(move |write| {
            let mut rows = rows.iter();
            rows.try_for_each(|(digest, used_us)| tables::put_last_used(write, digest, *used_us, every_us))
        });
        write.await?;
        let mut usage = self.digests.usage.usage();
        usage.unflushed.retain(|digest, used_us| unflushed.get(digest) != Some(used_us));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(1);
    const DIGEST: Digest = Digest::from_bytes([7; 32]);

    #[tokio::test]
    async fn a_used_blob_is_not_claimed_and_a_claimed_one_is_waited_for() {
        let tracker = UsageTracker::default();
        assert!(tracker.record_use(&DIGEST, 5_000_000, EVERY).await);
        assert!(!tracker.record_use(&DIGEST, 5_900_000, EVERY).await, "it is known");
        assert!(tracker.claim_unused([DIGEST], 5_000_000).digests().is_empty());
        let claim = tracker.claim_unused([DIGEST], 5_000_001);
        assert_eq!(claim.digests(), [DIGEST]);
        let waiting = tokio::spawn({
            let tracker = tracker.clone();
            async move { tracker.record_use(&DIGEST, 9_000_000, EVERY).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(claim);
        waiting.await.unwrap();
        assert!(tracker.claim_unused([DIGEST], 9_000_000).digests().is_empty());
    }

    #[tokio::test]
    async fn a_use_after_one_of_a_clock_that_was_ahead_is_recorded_and_that_one_is_brought_back() {
        let (tracker, other, year_us) = (UsageTracker::default(), Digest::from_bytes([8; 32]), 365 * 86_400_000_000);
        for digest in [&DIGEST, &other] {
            tracker.record_use(digest, year_us, EVERY).await;
        }
        tracker.record_use(&DIGEST, 5_000_000, EVERY).await;
        assert_eq!(tracker.claim_unused([DIGEST, other], 5_000_001).digests(), [DIGEST]);
        tracker.bring_back(6_000_000, 66_000_000);
        assert_eq!(tracker.claim_unused([DIGEST, other], 6_000_000).digests(), [DIGEST]);
        assert_eq!(tracker.claim_unused([DIGEST, other], 6_000_001).digests(), [DIGEST, other]);
        assert_eq!(tracker.usage().unflushed[&other], 6_000_000);
    }

    #[tokio::test]
    async fn tracked_uses_are_bounded_unless_they_were_not_flushed() {
        let tracker = UsageTracker::default();
        let digest = |number: u64| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            Digest::from_bytes(bytes)
        };
        tracker.record_use(&DIGEST, 1, EVERY).await;
        for number in 0..3 * MAX_TRACKED as u64 {
            tracker.record_use(&digest(number), 1, EVERY).await;
            tracker.usage().unflushed.retain(|digest, _| *digest == DIGEST);
        }
        assert!(tracker.usage().last_used_us.len() <= MAX_TRACKED);
        assert!(tracker.claim_unused([DIGEST], 1).digests().is_empty());
    }

    #[tokio::test]
    async fn uses_that_cannot_be_flushed_are_bounded_and_nothing_is_claimed_that_may_be_among_them() {
        let tracker = UsageTracker::default();
        let digest = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            Digest::from_bytes(bytes)
        };
        for number in 0..MAX_UNFLUSHED {
            tracker.record_use(&digest(number), 1, EVERY).await;
        }
        assert_eq!(tracker.claim_unused([DIGEST], 5).digests(), [DIGEST]);
        for number in 0..100 {
            tracker.record_use(&digest(MAX_UNFLUSHED + number), 10, EVERY).await;
        }
        tracker.record_use(&digest(7), 2_000_000, EVERY).await;
        let usage = tracker.usage();
        assert_eq!((usage.unflushed.len(), usage.last_used_us.len()), (MAX_UNFLUSHED, MAX_UNFLUSHED));
        assert_eq!(usage.unflushed[&digest(7)], 2_000_000);
        drop(usage);
        assert!(tracker.claim_unused([DIGEST], 10).digests().is_empty(), "it may have been used then");
        assert_eq!(tracker.claim_unused([DIGEST], 11).digests(), [DIGEST]);
    }
}
