//! One part on its way: from the client, or from the file of what is short of a part, to the hold.

use std::convert::Infallible;
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
use tokio::time::timeout;

use super::{MAX_PARTS, OpenUpload, UploadId, Uploads, UploadsError};
use crate::uploads::tables::{self, PartRow};
use server::egress::boxed_body;
use server::storage::Hash;
use server::wire::{BodyFault, RequestBody};

/// How long a hold may take no byte of a part.
const STALL: Duration = Duration::from_secs(60);
/// How long a hold may take to answer after the last byte: it syncs its disk.
const ANSWER: Duration = Duration::from_secs(120);
/// What is read of the file at once.
const PIECE_BYTES: usize = 64 * 1024;
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

    /// The next bytes, `max` at most; `None` at the end.
    async fn next(&mut self, max: u64) -> Result<Option<Bytes>, BodyFault> {
        if self.pending.is_empty() {
            let Some(body) = &mut self.body else { return Ok(None) };
            match body.next().await.transpose()? {
                Some(piece) => self.pending = piece,
                None => return Ok(None),
            }
        }
        let length = usize::try_from(max).unwrap_or(usize::MAX).min(self.pending.len());
        let piece = self.pending.split_to(length);
        self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
        Ok(Some(piece))
    }
}

type Pieces = mpsc::Sender<Bytes>;

impl Uploads {
    /// Sends what is in the file, and `take` bytes behind it from the client, as the next part.
    pub(super) async fn send_part(
        &self,
        upload: &mut OpenUpload,
        source: &mut Source,
        take: u64,
    ) -> Result<(), UploadsError> {
        let (number, tail_bytes) = (upload.etags.len() + 1, upload.tail_bytes());
        if number > MAX_PARTS {
            return Err(UploadsError::TooLarge);
        }
        let (pieces, queue) = mpsc::channel(QUEUE);
        let body = stream::unfold(queue, async |mut queue: mpsc::Receiver<Bytes>| {
            let piece = queue.recv().await?;
            Some((Ok::<_, Infallible>(Frame::data(piece)), queue))
        });
        let row = upload.row.clone();
        let target = (&row.hold, &row.login, row.hold_upload.as_str());
        let body = boxed_body(StreamBody::new(Box::pin(body)));
        let mut sending = pin!(self.holds.send_part(target, number, tail_bytes + take, body));
        let feeding = async {
            self.feed_tail(&row.id, tail_bytes, &pieces).await?;
            feed(source, take, upload.hash.clone(), pieces).await
        };
        let (etag, hash) = tokio::select! {
            biased;
            // Before it had all: it refuses.
            early = &mut sending => (early?, None),
            fed = feeding => {
                let hash = fed?;
                (timeout(ANSWER, sending).await.map_err(|_| UploadsError::Stalled)??, Some(hash))
            }
        };
        // A hold that answers well before it has all has not taken the part.
        upload.hash = hash.ok_or(UploadsError::Stalled)?;
        upload.row.offset += take;
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
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            let count = file.read(&mut piece).await?;
            if count == 0 {
                return Ok(());
            }
            piece.truncate(count);
            give(pieces, piece.into()).await?;
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

/// Passes `take` bytes on; answers the hash with them.
async fn feed(source: &mut Source, take: u64, mut hash: Hash, pieces: Pieces) -> Result<Hash, UploadsError> {
    let mut left = take;
    while left > 0 {
        let piece = source.next(left).await?.ok_or(BodyFault::Disconnected)?;
        hash.update(&piece);
        left -= piece.len() as u64;
        give(&pieces, piece).await?;
    }
    Ok(hash)
}

/// Waits until the hold's connection has room for a piece. One that is gone says why itself.
async fn give(pieces: &Pieces, piece: Bytes) -> Result<(), UploadsError> {
    match timeout(STALL, pieces.send(piece)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => std::future::pending().await,
        Err(_) => Err(UploadsError::Stalled),
    }
}
