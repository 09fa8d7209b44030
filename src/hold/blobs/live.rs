//! What this process knows of uploads that are being worked on: who may append, and an order among the others.
//!
//! Nothing here lasts. The database says which uploads are open and which parts they have.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};

use super::names::UploadId;
use super::{BlobError, blocking};

/// Forgotten entries are dropped when there are so many.
const PURGE_AT: usize = 1024;

/// The uploads that something in this process works on.
#[derive(Default)]
pub(super) struct Uploads {
    live: Mutex<HashMap<UploadId, Weak<Live>>>,
}

impl Uploads {
    /// The one shared state of an upload, whether or not such an upload exists.
    pub(super) fn get(&self, id: &UploadId) -> Arc<Live> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = live.get(id).and_then(Weak::upgrade) {
            return found;
        }
        if live.len() >= PURGE_AT {
            live.retain(|_, state| state.strong_count() > 0);
        }
        let fresh = Arc::new(Live::default());
        live.insert(*id, Arc::downgrade(&fresh));
        fresh
    }
}

/// The state of one upload.
#[derive(Default)]
pub(super) struct Live {
    /// Held while the upload's rows are judged and changed. Never held while waiting for a client.
    pub(super) order: tokio::sync::Mutex<()>,
    /// How often the upload was closed to the parts in flight. Files are written only under its read lock,
    /// by parts that began in the same round: nothing is written to a file after `close` returned.
    round: RwLock<u64>,
    appending: AtomicBool,
}

impl Live {
    /// The round that a part begins in. Call it with `order` held, so that it does not wait.
    pub(super) fn round(&self) -> u64 {
        *self.round.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the round open while the answer lives. Blocks for as long as `close` does.
    ///
    /// # Errors
    /// [`BlobError::UnknownUpload`] when the upload was closed since `round`.
    pub(super) fn enter(&self, round: u64) -> Result<RwLockReadGuard<'_, u64>, BlobError> {
        let current = self.round.read().unwrap_or_else(PoisonError::into_inner);
        if *current == round { Ok(current) } else { Err(BlobError::UnknownUpload) }
    }

    /// Ends all parts in flight; waits for a write that is under way. Call it with `order` held.
    ///
    /// # Errors
    /// None but a panic's.
    pub(super) async fn close(self: &Arc<Self>) -> Result<(), BlobError> {
        let live = Arc::clone(self);
        blocking(move || {
            *live.round.write().unwrap_or_else(PoisonError::into_inner) += 1;
            Ok(())
        })
        .await
    }

    /// The right to append, for one part at a time.
    pub(super) fn lease(self: &Arc<Self>) -> Option<Lease> {
        let taken = self.appending.swap(true, Ordering::AcqRel);
        if taken { None } else { Some(Lease(Arc::clone(self))) }
    }
}

/// The right to append to an upload's main file. It ends when dropped.
pub(super) struct Lease(Arc<Live>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.appending.store(false, Ordering::Release);
    }
}
