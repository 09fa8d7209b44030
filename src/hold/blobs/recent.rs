//! Small blobs that were asked for a moment ago. One that many ask for at once, as a fleet does for the configuration of an
//! image, is opened and read some times a second, not for each of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use atproto::syntax::Digest;
use bytes::Bytes;

/// The largest blob that is kept: larger than nearly every manifest and configuration.
pub(super) const SMALL_BYTES: u64 = 16 * 1024;
/// How many are kept: 1 MiB at most.
const MOST: usize = 64;
/// For how long they are answered for without a look at the disk: what is removed from there is gone a moment later.
const KEPT: Duration = Duration::from_millis(250);

/// Small blobs in memory; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Recent(Arc<Mutex<HashMap<Digest, (Instant, Bytes)>>>);

impl Recent {
    pub(super) fn get(&self, digest: &Digest, now: Instant) -> Option<Bytes> {
        let kept = self.kept();
        let (since, bytes) = kept.get(digest)?;
        is_fresh(*since, now).then(|| bytes.clone())
    }

    /// Keeps a blob that was read just now, if there is room.
    pub(super) fn keep(&self, digest: Digest, bytes: Bytes, now: Instant) {
        let mut kept = self.kept();
        if kept.len() >= MOST {
            kept.retain(|_, (since, _)| is_fresh(*since, now));
        }
        if kept.len() < MOST {
            kept.insert(digest, (now, bytes));
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Digest, (Instant, Bytes)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_fresh(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < KEPT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_blob_is_kept_for_a_moment_and_only_so_many_are() {
        let (recent, now) = (Recent::default(), Instant::now());
        let digest = |number: usize| Digest::from_bytes([u8::try_from(number).unwrap(); 32]);
        for number in 0..MOST + 1 {
            recent.keep(digest(number), Bytes::from_static(b"bytes"), now);
        }
        let last = now + KEPT - Duration::from_nanos(1);
        assert_eq!(recent.get(&digest(0), last).unwrap(), "bytes");
        assert_eq!(recent.get(&digest(0), now + KEPT), None);
        // There was no room for it, and now there is.
        assert_eq!(recent.get(&digest(MOST), now), None);
        recent.keep(digest(MOST), Bytes::new(), now + KEPT);
        assert_eq!(recent.get(&digest(MOST), now + KEPT).unwrap(), "");
        assert_eq!(recent.kept().len(), 1);
    }
}
