//! Moving a body from the client to the disk: one batch is hashed and written while the next one is gathered.
//!
//! Memory: an upload waits for its next frame with nothing but that frame in hand. Only once a frame is there
//! does it take one of [`WRITERS`] permits, gather what else has arrived, up to [`BATCH_BYTES`], and hand it to
//! the blocking pool. A permit is never held while waiting for a client.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinError, JoinHandle};

use crate::objects::{Staging, SyncError};
use server::storage::StorageError;

use super::Files;
use super::incoming::Incoming;
use crate::blobs::bound::Bound;
use crate::blobs::{BlobError, BodyError};

/// Batches in memory at once, of all uploads: 8 × 256 KiB = 2 MiB.
pub(super) const WRITERS: usize = 8;
const BATCH_BYTES: u64 = 256 * 1024;
/// Frames a batch: a client that sends single bytes must not fill memory with their handles.
const BATCH_FRAMES: usize = 64;
/// A part is written back to disk in steps of this, so that little is left to wait for at its end.
const WRITE_BACK_BYTES: u64 = 4 * 1024 * 1024;
/// Write-backs at once, of all uploads.
pub(super) const WRITE_BACKS: usize = 4;

/// Why a part failed, and what goes with it.
pub(super) enum Failed {
    /// The part is dropped.
    Part(BlobError),
    /// A failed fsync: what of the upload is on disk is unknown, so all of it is dropped.
    Unsynced(StorageError),
}

impl From<BlobError> for Failed {
    fn from(error: BlobError) -> Self {
        Self::Part(error)
    }
}

impl From<SyncError> for Failed {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::NotTried(error) => Self::Part(error.into()),
            SyncError::Unknown(error) => Self::Unsynced(error),
        }
    }
}

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Self::Part(error.into())
    }
}

impl From<BodyError> for Failed {
    fn from(error: BodyError) -> Self {
        Self::Part(error.into())
    }
}

/// Refuses when `wanted_bytes` more would leave less than the reserve.
///
/// # Errors
/// [`BlobError::NoSpace`].
pub(super) fn leave_reserve(staging: &Staging, wanted_bytes: u64, reserve_bytes: u64) -> Result<(), BlobError> {
    if staging.free_bytes()? < wanted_bytes.saturating_add(reserve_bytes) {
        return Err(BlobError::NoSpace(StorageError::NoSpace("the reserve would be used up".into())));
    }
    Ok(())
}

/// Writes the whole body to `part`.
///
/// # Errors
/// When the body breaks off or is too large, or the bytes cannot be written.
pub(super) async fn receive<S>(files: &Files, part: Incoming, body: &mut S, bound: &Bound) -> Result<Incoming, Failed>
where
    S: Stream<Item = Result<Bytes, BodyError>> + Unpin + Send,
{
    let hand = Some(Hand::Idle(Box::new(part)));
    let mut pump = Pump { files, bound, hand, received_bytes: 0, ended: false, written_back: 0, write_back: None };
    if let Err(failed) = pump.run(body).await {
        if let Ok(part) = pump.idle().await {
            discard(part).await;
        }
        return Err(failed);
    }
    let part = pump.idle().await?;
    if let Some(job) = pump.write_back.take() {
        job.await.map_err(panicked)??;
    }
    Ok(part)
}

/// Takes the bytes of a part back, and waits for it: a repeated part can be appended again right away.
pub(super) async fn discard(part: Incoming) {
    // A panic there leaves the bytes to the upload's end.
    let _ = tokio::task::spawn_blocking(move || part.discard()).await;
}

/// Frames on their way to the disk.
struct Batch {
    frames: Vec<Bytes>,
    _permit: OwnedSemaphorePermit,
}

/// Who has the part: this task, or the blocking pool.
enum Hand {
    Idle(Box<Incoming>),
    Writing(JoinHandle<Result<Incoming, BlobError>>),
}

struct Pump<'b> {
    files: &'b Files,
    bound: &'b Bound,
    /// `None` only after an error.
    hand: Option<Hand>,
    received_bytes: u64,
    ended: bool,
    /// Where in the part the last write-back began.
    written_back: u64,
    write_back: Option<JoinHandle<Result<(), Failed>>>,
}

impl Pump<'_> {
    async fn run<S>(&mut self, body: &mut S) -> Result<(), Failed>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Unpin + Send,
    {
        while !self.ended {
            let Some(first) = body.next().await else { break };
            let batch = self.gather(first?, body).await?;
            self.write(batch).await?;
        }
        Ok(())
    }

    /// Takes what has arrived after `first`; while a batch is being written, also what arrives meanwhile.
    async fn gather<S>(&mut self, first: Bytes, body: &mut S) -> Result<Batch, Failed>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Unpin + Send,
    {
        let start = self.received_bytes;
        let permits = Arc::clone(&self.files.writers);
        let mut frames = vec![self.checked(first)?];
        let _permit = permits.acquire_owned().await.map_err(|_| ended())?;
        while !self.ended && frames.len() < BATCH_FRAMES && self.received_bytes - start < BATCH_BYTES {
            let frame = match &mut self.hand {
                Some(Hand::Writing(job)) => tokio::select! {
                    biased;
                    frame = body.next() => frame,
                    done = job => {
                        self.hand = None;
                        self.hand = Some(Hand::Idle(Box::new(done.map_err(panicked)??)));
                        continue;
                    }
                },
                _ => match body.next().now_or_never() {
                    Some(frame) => frame,
                    None => break,
                },
            };
            match frame {
                Some(frame) => frames.push(self.checked(frame?)?),
                None => self.ended = true,
            }
        }
        Ok(Batch { frames, _permit })
    }

    /// Counts a frame against the limits.
    fn checked(&mut self, frame: Bytes) -> Result<Bytes, Failed> {
        self.received_bytes += frame.len() as u64;
        self.bound.check(self.received_bytes)?;
        Ok(frame)
    }

    /// Hands a batch to the blocking pool, after the one before it.
    async fn write(&mut self, batch: Batch) -> Result<(), Failed> {
        let mut part = self.idle().await?;
        self.write_back_early(&part).await?;
        self.hand = Some(Hand::Writing(tokio::task::spawn_blocking(move || {
            let written = part.write(&batch.frames);
            // The batch's memory and its permit go before the part comes back.
            drop(batch);
            part.or_discard(written).map(|(part, ())| part)
        })));
        Ok(())
    }

    /// The part, once nobody writes to it.
    async fn idle(&mut self) -> Result<Incoming, Failed> {
        match self.hand.take() {
            Some(Hand::Idle(part)) => Ok(*part),
            Some(Hand::Writing(job)) => Ok(job.await.map_err(panicked)??),
            None => Err(ended()),
        }
    }

    /// Begins to write back what is in memory when that is much, and nothing of this part is under way.
    async fn write_back_early(&mut self, part: &Incoming) -> Result<(), Failed> {
        if part.size_bytes() - self.written_back < WRITE_BACK_BYTES {
            return Ok(());
        }
        match self.write_back.take() {
            Some(job) if !job.is_finished() => {
                self.write_back = Some(job);
                return Ok(());
            }
            Some(job) => job.await.map_err(panicked)??,
            None => {}
        }
        let Ok(permit) = Arc::clone(&self.files.write_backs).try_acquire_owned() else { return Ok(()) };
        self.written_back = part.size_bytes();
        let (file, staging, reserve_bytes) =
            (part.file(), self.files.staging.clone(), self.files.sessions.limits().reserve_bytes);
        self.write_back = Some(tokio::task::spawn_blocking(move || {
            let _permit = permit;
            leave_reserve(&staging, 0, reserve_bytes)?;
            Ok(file.sync()?)
        }));
        Ok(())
    }
}

fn panicked(_: JoinError) -> Failed {
    Failed::Part(StorageError::failed("a write of a part panicked").into())
}

fn ended() -> Failed {
    Failed::Part(StorageError::failed("a part was written to after it failed").into())
}
