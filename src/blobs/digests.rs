//! An order among those who decide what lies under a digest: completion, and whoever takes a blob away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use super::Blobs;
use crate::syntax::Digest;

/// Forgotten entries are dropped when there are so many.
const PURGE_AT: usize = 1024;

/// Who has a digest to itself; cheap to clone.
///
/// Completion holds a digest from the question whether its blob is there until the blob has its row. Whoever finds
/// a blob wrong, and takes it away, judges and acts under the same lock: no upload is acknowledged on the strength
/// of a blob that is going.
#[derive(Clone, Default)]
pub struct Digests(Arc<Mutex<HashMap<Digest, Weak<Turn<()>>>>>);

impl Digests {
    /// Waits until nobody else has the digest; it is free again when the answer is dropped. Where the order of an
    /// upload is taken too, that comes first.
    pub async fn lock(&self, digest: &Digest) -> OwnedMutexGuard<()> {
        let turn = self.turn(digest);
        turn.lock_owned().await
    }

    fn turn(&self, digest: &Digest) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = turns.get(digest).and_then(Weak::upgrade) {
            return found;
        }
        if turns.len() >= PURGE_AT {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let fresh = Arc::<Turn<()>>::default();
        turns.insert(*digest, Arc::downgrade(&fresh));
        fresh
    }
}

impl Blobs {
    /// The digests of this room, for whoever takes blobs away.
    #[must_use]
    pub fn digests(&self) -> Digests {
        self.digests.clone()
    }
}
