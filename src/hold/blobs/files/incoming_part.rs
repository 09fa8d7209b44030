//! A part that is being received: its bytes are hashed and written, and are uncommitted until a row refers to them.
//!
//! All methods but the drop block and run on the blocking pool, which owns the part meanwhile. So after a client
//! disconnects, the part is released only after the write in progress.

use std::sync::Arc;

use bytes::Bytes;

use crate::blobs::tables::{PartPlace, PartRow};
use crate::objects::{StagedFile, Staging};
use server::storage::{Hash, Need, StorageError};

use super::MAIN;
use super::failed::Failed;
use crate::blobs::BlobError;
use crate::blobs::names::{PartNumber, UploadId, random_hex};
use crate::blobs::upload_state::{AppendGuard, UploadState};

/// The state needed to begin a part.
pub(super) struct PartStart {
    pub(super) staging: Staging,
    pub(super) state: Arc<UploadState>,
    pub(super) epoch: u64,
    pub(super) id: UploadId,
    pub(super) number: PartNumber,
    /// The hash of all bytes before this part, if known.
    pub(super) hash: Option<Hash>,
    /// The offset in the main file to append at; with `None` the part gets a file of its own.
    pub(super) append: Option<(u64, AppendGuard)>,
    /// Bytes of the file system to leave free.
    pub(super) reserve_bytes: u64,
}

/// A part that is being received.
pub(super) struct IncomingPart {
    number: PartNumber,
    /// 128 random bits, the ETag of a part without a hash.
    token: String,
    hash: Option<Hash>,
    size_bytes: u64,
    reserve_bytes: u64,
    uncommitted: UncommittedPart,
}

/// The bytes of a part without a row. Dropping this removes them, unless they were committed.
struct UncommittedPart {
    staging: Staging,
    state: Arc<UploadState>,
    epoch: u64,
    id: UploadId,
    file: Arc<StagedFile>,
    /// The offset in the file at which the part begins.
    start: u64,
    /// The name of the part's own file; `None` when it is appended to the main file.
    own_name: Option<String>,
    append_guard: Option<AppendGuard>,
    is_committed: bool,
}

impl IncomingPart {
    /// Opens the part's file.
    ///
    /// # Errors
    /// When the upload was closed, or the file cannot be made or is damaged.
    pub(super) fn begin(start: PartStart) -> Result<Self, BlobError> {
        let PartStart { staging, state, epoch, id, number, hash, append, reserve_bytes } = start;
        let (start, append_guard) = append.map_or((0, None), |(start, guard)| (start, Some(guard)));
        let token = random_hex::<16>()?;
        let own_name = append_guard.is_none().then(|| format!("part-{}-{token}", number.get()));
        let file = {
            let _fence = state.fence(epoch)?;
            staging.open_file(&id.file(own_name.as_deref().unwrap_or(MAIN)))?
        };
        // A write beyond the end would fill the bytes of earlier parts with zeros.
        if file.length()? < start {
            return Err(StorageError::Damaged("a staged file is shorter than its parts".into()).into());
        }
        let file = Arc::new(file);
        let uncommitted =
            UncommittedPart { staging, state, epoch, id, file, start, own_name, append_guard, is_committed: false };
        Ok(Self { number, token, hash, size_bytes: 0, reserve_bytes, uncommitted })
    }

    /// Returns the number of bytes received so far.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Returns the part's file, for an early write-back.
    pub(super) fn file(&self) -> Arc<StagedFile> {
        Arc::clone(&self.uncommitted.file)
    }

    /// Returns the state of the part's upload.
    pub(super) fn state(&self) -> Arc<UploadState> {
        Arc::clone(&self.uncommitted.state)
    }

    /// Returns the epoch in which the part began.
    pub(super) fn epoch(&self) -> u64 {
        self.uncommitted.epoch
    }

    /// Hashes and writes the next bytes.
    ///
    /// # Errors
    /// When the upload was closed, there is no room, or the bytes could not be written.
    pub(super) fn write(&mut self, frames: &[Bytes]) -> Result<(), BlobError> {
        let part = &self.uncommitted;
        let _fence = part.state.fence(part.epoch)?;
        let bytes = frames.iter().map(|frame| frame.len() as u64).sum();
        let _promised = part.staging.reserve(Need { bytes, files: 0 }, self.reserve_bytes)?;
        for frame in frames {
            if let Some(hash) = &mut self.hash {
                hash.update(frame);
            }
            part.file.write_at(frame, part.start + self.size_bytes)?;
            self.size_bytes += frame.len() as u64;
        }
        Ok(())
    }

    /// Syncs the part to disk and returns its row.
    ///
    /// # Errors
    /// When the part is not on disk, or may not be.
    pub(super) fn sync(&self) -> Result<PartRow, Failed> {
        let part = &self.uncommitted;
        part.file.sync()?;
        // The file is new, or may be: its name must be on disk too.
        if part.own_name.is_some() || part.start == 0 {
            part.staging.sync_folder(&part.id.to_string())?;
        }
        let place = match (&part.own_name, &self.hash) {
            (Some(name), _) => PartPlace::OwnFile { name: name.clone() },
            (None, Some(hash)) => PartPlace::Appended { start: part.start, hash_state: hash.save() },
            (None, None) => return Err(StorageError::failed("an appended part has no hash").into()),
        };
        let etag = self.hash.as_ref().map_or_else(|| self.token.clone(), Hash::etag);
        Ok(PartRow { number: self.number.get(), size_bytes: self.size_bytes, etag, place })
    }

    /// Removes the bytes before it returns. A part that is only dropped has them removed some time later.
    pub(super) fn discard(mut self) {
        if let Some(remove) = self.uncommitted.removal() {
            remove();
        }
    }

    /// Returns the part with the outcome of a step; after a failure, its bytes are removed before this returns.
    pub(super) fn or_discard<T, E>(self, outcome: Result<T, E>) -> Result<(Self, T), E> {
        match outcome {
            Ok(value) => Ok((self, value)),
            Err(error) => {
                self.discard();
                Err(error)
            }
        }
    }

    /// Keeps the bytes: a row refers to them, or may do so.
    pub(super) fn commit(mut self) {
        self.uncommitted.is_committed = true;
    }
}

impl UncommittedPart {
    /// Returns the job that removes the bytes; `None` when they were committed or are removed already.
    fn removal(&mut self) -> Option<impl FnOnce() + Send + use<>> {
        if std::mem::replace(&mut self.is_committed, true) {
            return None;
        }
        let (staging, state, epoch) = (self.staging.clone(), Arc::clone(&self.state), self.epoch);
        let (file, start, append_guard) = (Arc::clone(&self.file), self.start, self.append_guard.take());
        let own_file = self.own_name.take().map(|name| self.id.file(&name));
        Some(move || {
            // The next part must not be appended before this one's bytes are cut off.
            let _append_guard = append_guard;
            // After the upload was closed, its main file may be a blob already, and its folder removed.
            let Ok(_fence) = state.fence(epoch) else { return };
            let outcome = match own_file {
                Some(name) => staging.remove(&name),
                None => file.set_length(start),
            };
            if let Err(error) = outcome {
                tracing::warn!(%error, "the bytes of a dropped part could not be removed; they stay until its upload ends");
            }
        })
    }
}

impl Drop for UncommittedPart {
    fn drop(&mut self) {
        let Some(remove) = self.removal() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}
