//! A part on its way in: its bytes are hashed and written, and belong to nobody until they are recorded.
//!
//! Everything here but the drop blocks: it runs on the blocking pool, which owns the part meanwhile. So a
//! client that goes away lets go of the part only after the write that was under way.

use std::sync::Arc;

use bytes::Bytes;

use crate::blobs::tables::{PartPlace, PartRow};
use crate::objects::{StagedFile, Staging};
use server::storage::StorageError;

use super::MAIN;
use super::pump::Failed;
use crate::blobs::BlobError;
use crate::blobs::hash::Hash;
use crate::blobs::live::{Lease, Live};
use crate::blobs::names::{PartNumber, UploadId, random_hex};

/// What is needed to begin a part.
pub(super) struct Beginning {
    pub(super) staging: Staging,
    pub(super) live: Arc<Live>,
    pub(super) round: u64,
    pub(super) id: UploadId,
    pub(super) number: PartNumber,
    /// The hash of all bytes before this part, when it is known.
    pub(super) hash: Option<Hash>,
    /// To append at this offset of the main file; otherwise the part gets a file of its own.
    pub(super) append: Option<(u64, Lease)>,
}

/// A part that is being received.
pub(super) struct Incoming {
    number: PartNumber,
    /// 128 random bits, the ETag of a part whose hash is not known.
    token: String,
    hash: Option<Hash>,
    size_bytes: u64,
    tentative: Tentative,
}

/// Bytes that no row claims. Unless they are kept, they go when this does.
struct Tentative {
    staging: Staging,
    live: Arc<Live>,
    round: u64,
    id: UploadId,
    file: Arc<StagedFile>,
    /// Where in the file the part begins.
    start: u64,
    /// The name of the part's own file, `None` when it is appended to the main file.
    own_name: Option<String>,
    lease: Option<Lease>,
    kept: bool,
}

impl Incoming {
    /// Opens the part's file.
    ///
    /// # Errors
    /// When the upload was closed, or the file cannot be made.
    pub(super) fn begin(beginning: Beginning) -> Result<Self, BlobError> {
        let Beginning { staging, live, round, id, number, hash, append } = beginning;
        let (start, lease) = append.map_or((0, None), |(start, lease)| (start, Some(lease)));
        let token = random_hex()?;
        let own_name = lease.is_none().then(|| format!("part-{}-{token}", number.get()));
        let file = {
            let _open = live.enter(round)?;
            staging.open_file(&id.file(own_name.as_deref().unwrap_or(MAIN)))?
        };
        // To write beyond the end would fill up with zeros what earlier parts should have there.
        if file.length()? < start {
            return Err(StorageError::Damaged("a staged file is shorter than its parts".into()).into());
        }
        let tentative =
            Tentative { staging, live, round, id, file: Arc::new(file), start, own_name, lease, kept: false };
        Ok(Self { number, token, hash, size_bytes: 0, tentative })
    }

    /// Bytes so far.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The file, to have it written back early.
    pub(super) fn file(&self) -> Arc<StagedFile> {
        Arc::clone(&self.tentative.file)
    }

    pub(super) fn live(&self) -> &Arc<Live> {
        &self.tentative.live
    }

    pub(super) fn round(&self) -> u64 {
        self.tentative.round
    }

    /// Hashes and writes what comes next.
    ///
    /// # Errors
    /// When the upload was closed, or the bytes could not be written.
    pub(super) fn write(&mut self, frames: &[Bytes]) -> Result<(), BlobError> {
        let part = &self.tentative;
        let _open = part.live.enter(part.round)?;
        for frame in frames {
            if let Some(hash) = &mut self.hash {
                hash.update(frame);
            }
            part.file.write_at(frame, part.start + self.size_bytes)?;
            self.size_bytes += frame.len() as u64;
        }
        Ok(())
    }

    /// Waits until the part is on disk and answers its row.
    ///
    /// # Errors
    /// When it is not there, or may not be.
    pub(super) fn seal(&self) -> Result<PartRow, Failed> {
        let part = &self.tentative;
        part.file.sync()?;
        // The file is new, or may be: its name has to last too.
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

    /// Takes the bytes back. What is only dropped does the same, some time later.
    pub(super) fn discard(mut self) {
        if let Some(undo) = self.tentative.undo() {
            undo();
        }
    }

    /// The part with the outcome of a step; after a failure its bytes are taken back before anybody is answered.
    pub(super) fn or_discard<T, E>(self, outcome: Result<T, E>) -> Result<(Self, T), E> {
        match outcome {
            Ok(value) => Ok((self, value)),
            Err(error) => {
                self.discard();
                Err(error)
            }
        }
    }

    /// A row claims the bytes now, or may claim them.
    pub(super) fn keep(mut self) {
        self.tentative.kept = true;
    }
}

impl Tentative {
    /// What takes the bytes back, once.
    fn undo(&mut self) -> Option<impl FnOnce() + Send + use<>> {
        if std::mem::replace(&mut self.kept, true) {
            return None;
        }
        let (staging, live, round) = (self.staging.clone(), Arc::clone(&self.live), self.round);
        let (file, start, lease) = (Arc::clone(&self.file), self.start, self.lease.take());
        let own_file = self.own_name.take().map(|name| self.id.file(&name));
        Some(move || {
            // The next appender must not begin before this one's bytes are cut off.
            let _lease = lease;
            // Once the upload was closed, its main file may be a blob already, and its folder be gone.
            let Ok(_open) = live.enter(round) else { return };
            let outcome = match own_file {
                Some(name) => staging.remove(&name),
                None => file.set_length(start),
            };
            if let Err(error) = outcome {
                tracing::warn!(%error, "bytes of a dropped part stay until its upload ends");
            }
        })
    }
}

impl Drop for Tentative {
    fn drop(&mut self) {
        let Some(undo) = self.undo() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(undo)),
            Err(_) => undo(),
        }
    }
}
