//! Sending of one part to the hold: the upload's file, then bytes of the client's body.

use std::io::SeekFrom;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::{MAX_PARTS, OpenUpload, UploadId, Uploads, UploadsError};
use crate::uploads::tables::{self, PartRow, UploadRow};
use server::egress::{ClientBody, boxed_body};
use server::storage::{Hash, StorageError};
use server::wire::{BodyFault, RequestBody};

/// Longest time for which a hold may read nothing of a part.
const STALL: Duration = Duration::from_secs(60);
/// Time limit of a hold's response after the last byte: the hold syncs its disk.
const ANSWER: Duration = Duration::from_secs(120);
/// Mode of the file: a layer of a private image may be in it.
const TAIL_MODE: u32 = 0o600;
/// Bytes of one read of the file.
const PIECE_BYTES: usize = 64 * 1024;
/// Duration after which a part of any length is ended: a lost connection loses no more than the bytes of that time.
const PART_TIME: Duration = Duration::from_secs(60);
/// Length of the queue between the client's connection and the hold's, in pieces of 16 KiB.
const QUEUE: usize = 4;

/// A reader of a client's body, in pieces of the wanted length.
pub(super) struct Source {
    body: Option<RequestBody>,
    pending: Bytes,
    /// Bytes not read yet, if the body announced its length.
    left: Option<u64>,
}

impl Source {
    pub(super) fn new(body: RequestBody) -> Self {
        Self { left: body.unread_length(), body: Some(body), pending: Bytes::new() }
    }

    /// Returns a source without any bytes.
    pub(super) fn none() -> Self {
        Self { body: None, pending: Bytes::new(), left: Some(0) }
    }

    pub(super) fn left(&self) -> Option<u64> {
        self.left
    }

    /// Whether the body has ended. It waits for the client's next bytes.
    pub(super) async fn is_at_end(&mut self) -> Result<bool, BodyFault> {
        while self.pending.is_empty() {
            let Some(body) = &mut self.body else { return Ok(true) };
            match body.next().await.transpose()? {
                Some(piece) => self.pending = piece,
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Returns the next bytes, `max` at most; `None` at the end.
    async fn next(&mut self, max: u64) -> Result<Option<Bytes>, BodyFault> {
        if self.is_at_end().await? {
            return Ok(None);
        }
        let length = usize::try_from(max).unwrap_or(usize::MAX).min(self.pending.len());
        let piece = self.pending.split_to(length);
        self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
        Ok(Some(piece))
    }
}

/// The number of bytes of the client's body that a part takes.
#[derive(Clone, Copy)]
pub(super) enum Extent {
    /// This number of bytes; the length of the part is announced to the hold.
    Exactly(u64),
    /// All bytes until the body ends, at most this number; for a hold that takes parts of any length.
    UpTo(u64),
}

/// Sender of a part's pieces; `None` marks the end of a part whose length was not announced.
type Pieces = mpsc::Sender<Option<Bytes>>;

/// The error of a part whose feeder ended early.
#[derive(Debug, thiserror::Error)]
#[error("the client's part broke off")]
struct BrokenOff;

/// Returns the pieces as a body. It fails when the queue closes without an end mark: without an announced length the
/// hold would take it for the end of the part.
fn part_body(queue: mpsc::Receiver<Option<Bytes>>) -> ClientBody {
    let pieces = stream::unfold(Some(queue), async |queue| {
        let mut queue = queue?;
        match queue.recv().await {
            Some(piece) => Some((Ok(Frame::data(piece?)), Some(queue))),
            None => Some((Err(BrokenOff), None)),
        }
    });
    boxed_body(StreamBody::new(Box::pin(pieces)))
}

impl Uploads {
    /// Sends the bytes in the file, and `extent` of the client's body behind them, as the next part.
    pub(super) async fn send_part(
        &self,
        upload: &mut OpenUpload,
        source: &mut Source,
        extent: Extent,
    ) -> Result<(), UploadsError> {
        let (number, tail_bytes) = (upload.etags.len() + 1, upload.tail_bytes());
        if number > MAX_PARTS {
            return Err(UploadsError::TooLarge);
        }
        let (pieces, queue) = mpsc::channel(QUEUE);
        let row = upload.row.clone();
        let length_bytes = match extent {
            Extent::Exactly(take) => Some(tail_bytes + take),
            Extent::UpTo(_) => None,
        };
        let mut sending = pin!(self.holds.send_part(&row.at_hold, number, length_bytes, part_body(queue)));
        let feeding = async {
            self.feed_tail(&row.id, tail_bytes, &pieces).await?;
            feed(source, extent, upload.hash.clone(), pieces).await
        };
        let (etag, fed) = tokio::select! {
            biased;
            // The hold answered before it had the whole part: it refuses it.
            early = &mut sending => (early?, None),
            fed = feeding => {
                let fed = fed?;
                (timeout(ANSWER, sending).await.map_err(|_| UploadsError::Stalled)??, Some(fed))
            }
        };
        // A success before the hold has the whole part is none.
        let (hash, taken) = fed.ok_or(UploadsError::Stalled)?;
        upload.hash = hash;
        upload.row.offset += taken;
        upload.row.sent = upload.row.offset;
        upload.etags.push(etag.clone());
        let part = PartRow { number, etag };
        self.store(upload, Some(part)).await?;
        self.remove_tail(&upload.row.id).await
    }

    /// Appends the client's body to the file, `room` bytes at most; returns whether the body has ended. The bytes are
    /// on disk when this returns, also when the body fails.
    pub(super) async fn gather(
        &self,
        upload: &mut OpenUpload,
        source: &mut Source,
        room: u64,
    ) -> Result<bool, UploadsError> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(false).mode(TAIL_MODE);
        let mut file = options.open(self.tail(&upload.row.id)).await?;
        // Bytes behind the tail are those of a request that was cut off: they are dropped.
        file.set_len(upload.tail_bytes()).await?;
        file.seek(SeekFrom::End(0)).await?;
        let mut promised = self.spool_room(upload, source.left().map_or(room, |left| left.min(room))).await?;
        let mut room = room;
        let ended = loop {
            if room == 0 {
                break Ok(false);
            }
            match source.next(room).await {
                Ok(Some(piece)) => {
                    file.write_all(&piece).await?;
                    promised.written(piece.len() as u64);
                    upload.hash.update(&piece);
                    upload.row.offset += piece.len() as u64;
                    room -= piece.len() as u64;
                }
                Ok(None) => break Ok(true),
                Err(fault) => break Err(fault),
            }
        };
        file.flush().await?;
        file.sync_data().await?;
        self.store(upload, None).await?;
        Ok(ended?)
    }

    /// Stores the offset and the unfinished hash, and the part if there is a new one. An upload that was given up
    /// meanwhile, with its account, is unknown.
    async fn store(&self, upload: &mut OpenUpload, part: Option<PartRow>) -> Result<(), UploadsError> {
        upload.row.hash_state = upload.hash.save();
        upload.row.touched_us = (self.clock)();
        let row = upload.row.clone();
        if self.database.write(move |write| tables::update(write, &row, part.as_ref())).await? {
            return Ok(());
        }
        self.remove_tail(&upload.row.id).await?;
        Err(UploadsError::Unknown)
    }

    async fn feed_tail(&self, id: &UploadId, tail_bytes: u64, pieces: &Pieces) -> Result<(), UploadsError> {
        if tail_bytes == 0 {
            return Ok(());
        }
        let mut file = File::open(self.tail(id)).await?.take(tail_bytes);
        // It stops at the last byte and does not read the end of the file: the hold may have all by then, and answer.
        let mut left = tail_bytes;
        while left > 0 {
            let mut piece = vec![0; PIECE_BYTES];
            let count = file.read(&mut piece).await?;
            if count == 0 {
                return Err(StorageError::Damaged("a file of an upload is shorter than its row says".into()).into());
            }
            piece.truncate(count);
            left -= count as u64;
            give(pieces, Some(piece.into())).await?;
        }
        Ok(())
    }

    /// Returns whether the file has all bytes of the row. It has not after a restore of the database alone.
    pub(super) async fn has_tail(&self, row: &UploadRow) -> Result<bool, UploadsError> {
        let tail_bytes = row.offset - row.sent;
        if tail_bytes == 0 {
            return Ok(true);
        }
        match fs::metadata(self.tail(&row.id)).await {
            Ok(file) => Ok(file.len() >= tail_bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn remove_tail(&self, id: &UploadId) -> Result<(), UploadsError> {
        match fs::remove_file(self.tail(id)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn tail(&self, id: &UploadId) -> PathBuf {
        self.directory.join(data_encoding::HEXLOWER.encode(id))
    }
}

/// Sends a part's bytes of the client's body into the queue; returns the hash updated with them, and their number.
async fn feed(
    source: &mut Source,
    extent: Extent,
    mut hash: Hash,
    pieces: Pieces,
) -> Result<(Hash, u64), UploadsError> {
    let (max, is_exact) = match extent {
        Extent::Exactly(bytes) => (bytes, true),
        Extent::UpTo(bytes) => (bytes, false),
    };
    let (began, mut taken) = (Instant::now(), 0);
    while taken < max && (is_exact || began.elapsed() < PART_TIME) {
        let piece = match source.next(max - taken).await? {
            Some(piece) => piece,
            None if is_exact => return Err(BodyFault::Disconnected.into()),
            None => break,
        };
        hash.update(&piece);
        taken += piece.len() as u64;
        give(&pieces, Some(piece)).await?;
    }
    // A part of announced length needs no end mark: the hold has all bytes, and may have answered.
    if !is_exact {
        give(&pieces, None).await?;
    }
    Ok((hash, taken))
}

/// Sends a piece into the queue; waits while it is full. When the hold's connection is gone it waits forever, for the
/// request to the hold returns the error.
async fn give(pieces: &Pieces, piece: Option<Bytes>) -> Result<(), UploadsError> {
    match timeout(STALL, pieces.send(piece)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => std::future::pending().await,
        Err(_) => Err(UploadsError::Stalled),
    }
}
