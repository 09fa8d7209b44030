//! A cache of small blobs that were read a moment ago. A blob that many clients request at once, such as the
//! configuration of an image for a fleet, is opened and read a few times a second, not once for each of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atproto::syntax::Digest;
use bytes::Bytes;
use server::nonpoison::{Mutex, MutexGuard};

/// Size of the largest cached blob in bytes: larger than nearly every manifest and configuration.
pub(super) const SMALL_BYTES: u64 = 16 * 1024;
/// Number of cached blobs: 1 MiB at most.
const MOST: usize = 64;
/// Time for which a cached blob is served without a look at the disk: a removed blob is served that much longer.
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

    /// Caches a blob that was just read, if there is room.
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
        self.0.lock()
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
        // No room at first, and room once the others have expired.
        assert_eq!(recent.get(&digest(MOST), now), None);
        recent.keep(digest(MOST), Bytes::new(), now + KEPT);
        assert_eq!(recent.get(&digest(MOST), now + KEPT).unwrap(), "");
        assert_eq!(recent.kept().len(), 1);
    }
}
