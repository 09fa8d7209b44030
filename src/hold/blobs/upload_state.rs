//! The in-process state of uploads: a lock, an epoch that fences off parts in flight, and the right to append.
//!
//! Nothing here is stored. The database has the open uploads and their parts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::names::UploadId;
use super::{BlobError, blocking};
use server::nonpoison::{Mutex, RwLock, RwLockReadGuard};

/// Size of the map at which unused entries are dropped.
const PURGE_AT: usize = 1024;

/// The states of all uploads in use by this process.
#[derive(Default)]
pub(super) struct UploadStates {
    states: Mutex<HashMap<UploadId, Weak<UploadState>>>,
}

impl UploadStates {
    /// Waits for the lock of an upload, whether or not the upload exists.
    pub(super) async fn lock(&self, id: &UploadId) -> UploadGuard {
        let state = self.get(id);
        let lock = Arc::clone(&state.lock).lock_owned().await;
        UploadGuard { id: *id, state, _lock: lock }
    }

    /// Takes the lock of an upload; returns `None` when it is taken.
    pub(super) fn try_lock(&self, id: &UploadId) -> Option<UploadGuard> {
        let state = self.get(id);
        let lock = Arc::clone(&state.lock).try_lock_owned().ok()?;
        Some(UploadGuard { id: *id, state, _lock: lock })
    }

    /// Returns the one shared state of an upload.
    fn get(&self, id: &UploadId) -> Arc<UploadState> {
        let mut states = self.states.lock();
        if let Some(found) = states.get(id).and_then(Weak::upgrade) {
            return found;
        }
        if states.len() >= PURGE_AT {
            states.retain(|_, state| state.strong_count() > 0);
        }
        let fresh = Arc::new(UploadState::default());
        states.insert(*id, Arc::downgrade(&fresh));
        fresh
    }
}

/// The state of one upload.
#[derive(Default)]
pub(super) struct UploadState {
    /// Serializes reads and changes of the upload's rows. Never held while waiting for a client.
    lock: Arc<AsyncMutex<()>>,
    /// The current epoch: how often the upload was closed to parts in flight. A part writes to its file only under the
    /// read lock, and only in the epoch that it began in: after [`UploadGuard::close`] it writes nothing any more.
    epoch: RwLock<u64>,
    appending: AtomicBool,
}

impl UploadState {
    /// Keeps the epoch from ending while the returned fence lives. Blocks while the upload is being closed.
    ///
    /// # Errors
    /// [`BlobError::UnknownUpload`] when the upload was closed after `epoch`.
    pub(super) fn fence(&self, epoch: u64) -> Result<EpochFence<'_>, BlobError> {
        let current = self.epoch.read();
        if *current == epoch { Ok(EpochFence { _current: current }) } else { Err(BlobError::UnknownUpload) }
    }
}

/// A fence around one write: while it lives the upload is not closed, and its files may be written to.
pub(super) struct EpochFence<'s> {
    _current: RwLockReadGuard<'s, u64>,
}

/// The lock of one upload. A function that must run under it takes this guard.
pub(super) struct UploadGuard {
    id: UploadId,
    state: Arc<UploadState>,
    _lock: OwnedMutexGuard<()>,
}

impl UploadGuard {
    /// Returns the id of the locked upload.
    pub(super) fn id(&self) -> &UploadId {
        &self.id
    }

    /// Returns the upload's state, which may outlive the lock.
    pub(super) fn state(&self) -> Arc<UploadState> {
        Arc::clone(&self.state)
    }

    /// Whether others share the state: a part in flight, or a caller that waits for the lock.
    pub(super) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.state) > 1
    }

    /// Returns the current epoch. Does not wait: only a guard's holder ends an epoch.
    pub(super) fn epoch(&self) -> u64 {
        *self.state.epoch.read()
    }

    /// Ends the epoch, and with it every part in flight. Waits for a write in progress.
    ///
    /// # Errors
    /// When the task panics.
    pub(super) async fn close(&self) -> Result<(), BlobError> {
        let state = self.state();
        blocking(move || {
            *state.epoch.write() += 1;
            Ok(())
        })
        .await
    }

    /// Returns the right to append to the upload's main file; `None` while another part has it.
    pub(super) fn append_guard(&self) -> Option<AppendGuard> {
        let is_taken = self.state.appending.swap(true, Ordering::AcqRel);
        if is_taken { None } else { Some(AppendGuard(self.state())) }
    }
}

/// The right to append to an upload's main file. It ends when dropped.
pub(super) struct AppendGuard(Arc<UploadState>);

impl Drop for AppendGuard {
    fn drop(&mut self) {
        self.0.appending.store(false, Ordering::Release);
    }
}
