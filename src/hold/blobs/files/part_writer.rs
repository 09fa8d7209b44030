//! Double buffering of a body on its way to the disk: one batch is hashed and written while the next one is filled.
//!
//! Memory: an upload has at most one frame in memory until it gets one of [`WRITERS`] permits. Then it adds the frames
//! that have arrived, up to [`BATCH_BYTES`], and hands the batch to the blocking pool. With a permit it waits for its
//! client only while its previous batch is being written.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinError, JoinHandle};

use server::storage::StorageError;

use super::Files;
use super::failed::Failed;
use super::incoming_part::IncomingPart;
use crate::blobs::size_limit::SizeLimit;
use crate::blobs::{BlobError, BodyError};

/// Batches in memory at once, of all uploads: 8 × 256 KiB = 2 MiB.
pub(super) const WRITERS: usize = 8;
const BATCH_BYTES: u64 = 256 * 1024;
/// Most frames in a batch: a client that sends single bytes must not fill memory with their handles.
const BATCH_FRAMES: usize = 64;
/// Dirty bytes of a part after which a write-back to disk begins, so that little is left to sync at its end.
const WRITE_BACK_BYTES: u64 = 4 * 1024 * 1024;
/// Write-backs at once, of all uploads.
pub(super) const WRITE_BACKS: usize = 4;

/// Writes the whole body to `part`, and returns the part.
///
/// # Errors
/// When the body breaks off or is too large, or the bytes cannot be written.
pub(super) async fn receive<S>(
    files: &Files,
    part: IncomingPart,
    body: &mut S,
    limit: &SizeLimit,
) -> Result<IncomingPart, Failed>
where
    S: Stream<Item = Result<Bytes, BodyError>> + Unpin + Send,
{
    let owner = Some(PartOwner::Idle(Box::new(part)));
    let mut writer =
        PartWriter { files, limit, owner, received_bytes: 0, ended: false, written_back: 0, write_back: None };
    if let Err(failed) = writer.run(body).await {
        if let Ok(part) = writer.wait_idle().await {
            discard(part).await;
        }
        return Err(failed);
    }
    let part = writer.wait_idle().await?;
    if let Some(job) = writer.write_back.take() {
        job.await.map_err(panicked)??;
    }
    Ok(part)
}

/// Removes the bytes of a part and waits until that is done: a repeated part can be appended again right away.
pub(super) async fn discard(part: IncomingPart) {
    // After a panic the bytes stay until the upload ends.
    let _ = tokio::task::spawn_blocking(move || part.discard()).await;
}

/// A batch of frames on its way to the disk.
struct Batch {
    frames: Vec<Bytes>,
    _permit: OwnedSemaphorePermit,
}

/// The current owner of the part: this task, or the blocking pool.
enum PartOwner {
    Idle(Box<IncomingPart>),
    Writing(JoinHandle<Result<IncomingPart, BlobError>>),
}

struct PartWriter<'b> {
    files: &'b Files,
    limit: &'b SizeLimit,
    /// `None` only after an error.
    owner: Option<PartOwner>,
    received_bytes: u64,
    ended: bool,
    /// Offset in the part at which the last write-back began.
    written_back: u64,
    write_back: Option<JoinHandle<Result<(), Failed>>>,
}

impl PartWriter<'_> {
    async fn run<S>(&mut self, body: &mut S) -> Result<(), Failed>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Unpin + Send,
    {
        while !self.ended {
            let Some(first) = body.next().await else { break };
            let batch = self.fill_batch(first?, body).await?;
            self.write(batch).await?;
        }
        Ok(())
    }

    /// Fills a batch with `first` and the frames that have arrived; while another batch is being written, also with
    /// those that arrive meanwhile.
    async fn fill_batch<S>(&mut self, first: Bytes, body: &mut S) -> Result<Batch, Failed>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Unpin + Send,
    {
        let start = self.received_bytes;
        let permits = Arc::clone(&self.files.writers);
        let mut frames = vec![self.checked(first)?];
        let _permit = permits.acquire_owned().await.map_err(|_| ended())?;
        while !self.ended && frames.len() < BATCH_FRAMES && self.received_bytes - start < BATCH_BYTES {
            let frame = match &mut self.owner {
                Some(PartOwner::Writing(job)) => tokio::select! {
                    biased;
                    frame = body.next() => frame,
                    done = job => {
                        self.owner = None;
                        self.owner = Some(PartOwner::Idle(Box::new(done.map_err(panicked)??)));
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
        self.limit.check(self.received_bytes)?;
        Ok(frame)
    }

    /// Hands a batch to the blocking pool once the previous one is written.
    async fn write(&mut self, batch: Batch) -> Result<(), Failed> {
        let mut part = self.wait_idle().await?;
        self.write_back_early(&part).await?;
        self.owner = Some(PartOwner::Writing(tokio::task::spawn_blocking(move || {
            let written = part.write(&batch.frames);
            // The batch's memory and its permit are released before the part is returned.
            drop(batch);
            part.or_discard(written).map(|(part, ())| part)
        })));
        Ok(())
    }

    /// Waits until no batch is being written, and takes the part out.
    async fn wait_idle(&mut self) -> Result<IncomingPart, Failed> {
        match self.owner.take() {
            Some(PartOwner::Idle(part)) => Ok(*part),
            Some(PartOwner::Writing(job)) => Ok(job.await.map_err(panicked)??),
            None => Err(ended()),
        }
    }

    /// Begins to write dirty pages back to disk when there are many, unless an earlier write-back is in progress.
    async fn write_back_early(&mut self, part: &IncomingPart) -> Result<(), Failed> {
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
        let file = part.file();
        self.write_back = Some(tokio::task::spawn_blocking(move || {
            let _permit = permit;
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
