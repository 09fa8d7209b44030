//! An order among those who decide what lies under a digest: completion, and whoever takes a blob away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use super::Blobs;
use super::asked::{Asked, Judging};
use atproto::syntax::Digest;

/// Forgotten entries are dropped when there are so many.
const PURGE_AT: usize = 1024;

/// How long a store may still carry out a request, to remove an object, that it has not answered, in microseconds: a
/// signature is good for 15 minutes.
pub const REMOVAL_SETTLED_US: u64 = 16 * 60 * 1_000_000;

/// Who has a digest to itself; cheap to clone.
///
/// Completion holds a digest from the question whether its blob is there until the blob has its row. Whoever finds
/// a blob wrong, and takes it away, judges and acts under the same lock: no upload is acknowledged on the strength
/// of a blob that is going.
#[derive(Clone, Default)]
pub struct Digests {
    turns: Arc<Mutex<HashMap<Digest, Weak<Turn<()>>>>>,
    pub(super) asked: Asked,
}

/// Until this is dropped, nobody else decides what lies under a digest.
pub type Alone = OwnedMutexGuard<()>;

impl Digests {
    /// Waits until nobody else has the digest; it is free again when the answer is dropped. Where the order of an
    /// upload is taken too, that comes first.
    pub async fn lock(&self, digest: &Digest) -> Alone {
        self.turn(digest).lock_owned().await
    }

    /// The digest, unless somebody has it.
    #[must_use]
    pub fn try_lock(&self, digest: &Digest) -> Option<Alone> {
        self.turn(digest).try_lock_owned().ok()
    }

    /// Those of `digests` that nobody asked for since `before_us`, as far as this process knows. Until the answer is
    /// dropped, whoever asks for one of them waits.
    #[must_use]
    pub fn judge(&self, digests: impl IntoIterator<Item = Digest>, before_us: u64) -> Judging {
        self.asked.judge(digests, before_us)
    }

    fn turn(&self, digest: &Digest) -> Arc<Turn<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
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
