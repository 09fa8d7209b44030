//! One part on its way: from the client, or from the file of what is short of a part, to the hold.

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
use crate::uploads::tables::{self, PartRow};
use server::egress::{ClientBody, boxed_body};
use server::storage::{Hash, StorageError};
use server::wire::{BodyFault, RequestBody};

/// How long a hold may take no byte of a part.
const STALL: Duration = Duration::from_secs(60);
/// How long a hold may take to answer after the last byte: it syncs its disk.
const ANSWER: Duration = Duration::from_secs(120);
/// What is read of the file at once.
const PIECE_BYTES: usize = 64 * 1024;
/// A part of any length ends after so long: what is lost with a connection is not more than came in that time.
const PART_TIME: Duration = Duration::from_secs(60);
/// Pieces between the client's connection and the hold's: 16 KiB each.
const QUEUE: usize = 4;

/// What a client sends, in pieces as somebody wants them.
pub(super) struct Source {
    body: Option<RequestBody>,
    pending: Bytes,
    /// Bytes that are still to come, if the body announced them.
    left: Option<u64>,
}

impl Source {
    pub(super) fn new(body: RequestBody) -> Self {
        Self { left: body.announced_length(), body: Some(body), pending: Bytes::new() }
    }

    /// Nothing more is to come.
    pub(super) fn none() -> Self {
        Self { body: None, pending: Bytes::new(), left: Some(0) }
    }

    pub(super) fn left(&self) -> Option<u64> {
        self.left
    }

    /// Whether there is nothing more; waits for the client.
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

    /// The next bytes, `max` at most; `None` at the end.
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

/// How much of what a client sends is for a part.
#[derive(Clone, Copy)]
pub(super) enum Extent {
    /// So many bytes; their length is announced to the hold.
    Exactly(u64),
    /// What comes until the body ends, so many bytes at most; the hold takes parts of any length.
    UpTo(u64),
}

/// Pieces of a part; `None` is the end of one whose length was not announced.
type Pieces = mpsc::Sender<Option<Bytes>>;

/// Whoever fed a part ended before the part did.
#[derive(Debug, thiserror::Error)]
#[error("the client's part broke off")]
struct BrokenOff;

/// The pieces as a body, which fails if no end comes: without an announced length an end would pass for the part's own.
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
    /// Sends what is in the file, and the `extent` of what the client sends behind it, as the next part.
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
        let target = (&row.hold, &row.login, row.hold_upload.as_str());
        let length_bytes = match extent {
            Extent::Exactly(take) => Some(tail_bytes + take),
            Extent::UpTo(_) => None,
        };
        let mut sending = pin!(self.holds.send_part(target, number, length_bytes, part_body(queue)));
        let feeding = async {
            self.feed_tail(&row.id, tail_bytes, &pieces).await?;
            feed(source, extent, upload.hash.clone(), pieces).await
        };
        let (etag, fed) = tokio::select! {
            biased;
            // Before it had all: it refuses.
            early = &mut sending => (early?, None),
            fed = feeding => {
                let fed = fed?;
                (timeout(ANSWER, sending).await.map_err(|_| UploadsError::Stalled)??, Some(fed))
            }
        };
        // A hold that answers well before it has all has not taken the part.
        let (hash, taken) = fed.ok_or(UploadsError::Stalled)?;
        upload.hash = hash;
        upload.row.offset += taken;
        upload.row.sent = upload.row.offset;
        upload.etags.push(etag.clone());
        let part = PartRow { number, etag };
        self.store(upload, Some(part)).await?;
        self.remove_tail(&upload.row.id).await
    }

    /// Puts what the client sends into the file, `room` bytes at most; answers whether the body has ended. It is on disk
    /// when this returns, also when the body fails.
    pub(super) async fn gather(
        &self,
        upload: &mut OpenUpload,
        source: &mut Source,
        room: u64,
    ) -> Result<bool, UploadsError> {
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(false).open(self.tail(&upload.row.id)).await?;
        // What a request that was cut off wrote behind it is not counted.
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

    /// Writes down how much there is.
    async fn store(&self, upload: &mut OpenUpload, part: Option<PartRow>) -> Result<(), UploadsError> {
        upload.row.hash_state = upload.hash.save();
        upload.row.touched_us = (self.clock)();
        let row = upload.row.clone();
        Ok(self.database.write(move |write| tables::update(write, &row, part.as_ref())).await?)
    }

    async fn feed_tail(&self, id: &UploadId, tail_bytes: u64, pieces: &Pieces) -> Result<(), UploadsError> {
        if tail_bytes == 0 {
            return Ok(());
        }
        let mut file = File::open(self.tail(id)).await?.take(tail_bytes);
        // Not until the end of the file is read: the hold may have all before that, and answer.
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

/// Passes a part's bytes on; answers the hash with them, and how many they are.
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
    // Of an announced length nobody waits for an end: the hold has all, and may have answered.
    if !is_exact {
        give(&pieces, None).await?;
    }
    Ok((hash, taken))
}

/// Waits until the hold's connection has room for a piece. One that is gone says why itself.
async fn give(pieces: &Pieces, piece: Option<Bytes>) -> Result<(), UploadsError> {
    match timeout(STALL, pieces.send(piece)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => std::future::pending().await,
        Err(_) => Err(UploadsError::Stalled),
    }
}
