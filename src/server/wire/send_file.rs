//! Bodies that are a range of a file: from the page cache to the socket by sendfile(2), past hyper.
//!
//! hyper writes bytes. Such a body gives it placeholders: slices of one region of memory that is never read, as many
//! bytes as the next piece of the file has; and it adds that piece to the queue of the connection. hyper passes the
//! slices on without a copy, to the guards and at last to the [`FileWriter`], which recognises them by their address
//! and sends the piece in their place. hyper, the guards and the counters see bytes that were written.
//!
//! No peer ever gets a placeholder: a write fails, and the connection ends, unless it has exactly as many placeholder
//! bytes as the queue has bytes. A copy of a placeholder is not recognised, so that fails too.
//!
//! sendfile waits for the disk where the page cache lacks a page, so it is called on the blocking pool: that cost no
//! more processor time than a call on the spot, as a job moves much and not a buffer. Connections whose disk is slow
//! get half of the pool, and the others need not wait for that disk.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio_util::either::Either;

use super::send_job::{FileRange, Sent, becomes_writable, send_on_pool};
use crate::daemon::{Busy, Stream};
use crate::nonpoison::{Mutex, MutexGuard};

/// Limit of a piece: as much as a job on the pool sends to a fast peer.
const PIECE_BYTES: u64 = 64 * 1024 * 1024;

/// The region of all placeholders. Its pages are never touched, so it takes no memory.
static PLACEHOLDERS: OnceLock<Bytes> = OnceLock::new();

/// The pieces of files that a connection sends in place of placeholders, in order.
#[derive(Clone, Debug, Default)]
pub struct FileQueue(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    pieces: Mutex<VecDeque<Piece>>,
    /// Whether a piece is on its way from the file to the socket.
    is_reading: AtomicBool,
}

#[derive(Debug)]
struct Piece {
    rest: FileRange,
    /// The last piece keeps the connection busy until it is sent.
    _busy: Option<Busy>,
}

impl FileQueue {
    /// Moves the first piece of `rest` into the queue, and `busy` with the last piece. Returns its placeholders.
    pub(super) fn push(&self, rest: &mut FileRange, busy: &mut Option<Busy>) -> Bytes {
        let Range { start, end } = rest.range;
        let cut = end.min(start.saturating_add(PIECE_BYTES));
        rest.range.start = cut;
        let busy = if cut == end { busy.take() } else { None };
        let piece = FileRange { range: start..cut, ..rest.clone() };
        self.pieces().push_back(Piece { rest: piece, _busy: busy });
        // At most a piece, so the casts lose nothing.
        let region = PLACEHOLDERS.get_or_init(|| vec![0; PIECE_BYTES as usize].into());
        region.slice(..(cut - start) as usize)
    }

    /// Whether the connection waits for a file, and not for its peer.
    pub(super) fn is_reading(&self) -> bool {
        self.0.is_reading.load(Ordering::Relaxed)
    }

    fn bytes(&self) -> u64 {
        self.pieces().iter().map(|piece| piece.rest.range.end - piece.rest.range.start).sum()
    }

    fn first(&self) -> Option<FileRange> {
        self.pieces().front().map(|piece| piece.rest.clone())
    }

    /// So many bytes of the first piece were sent. Returns whether the piece has more.
    fn sent(&self, count: usize) -> bool {
        let mut pieces = self.pieces();
        let Some(first) = pieces.front_mut() else { return false };
        first.rest.range.start += count as u64;
        let has_more = !first.rest.range.is_empty();
        if !has_more {
            pieces.pop_front();
        }
        has_more
    }

    /// Reports an error to the owner of the file, and returns it.
    fn failed(&self, error: io::Error) -> io::Error {
        if let Some(piece) = self.first() {
            piece.fault.tell(&error);
        }
        error
    }

    fn pieces(&self) -> MutexGuard<'_, VecDeque<Piece>> {
        self.0.pieces.lock()
    }
}

/// A socket that sends pieces of files in place of their placeholders.
pub struct FileWriter {
    stream: Stream,
    files: FileQueue,
    sending: Option<BoxFuture<'static, Sent>>,
    was_slow: bool,
}

impl FileWriter {
    /// Returns a socket with an empty queue.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self { stream, files: FileQueue::default(), sending: None, was_slow: false }
    }

    /// Returns the queue, for [`serve`](super::serve).
    #[must_use]
    pub fn files(&self) -> FileQueue {
        self.files.clone()
    }

    /// Sends as much of the first piece as the socket accepts, and returns the number of bytes.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            if let Some(sending) = &mut self.sending {
                let sent = ready!(sending.as_mut().poll(cx));
                self.sending = None;
                self.was_slow = sent.was_slow;
                self.files.0.is_reading.store(false, Ordering::Relaxed);
                match sent.count {
                    // The file is shorter than it was.
                    Ok(0) => return Poll::Ready(Err(self.files.failed(io::ErrorKind::UnexpectedEof.into()))),
                    Ok(count) => {
                        // Less than the piece: most likely the socket is full, and a job on the pool would only find that out.
                        if self.files.sent(count) {
                            note_full(&self.stream)?;
                        }
                        return Poll::Ready(Ok(count));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => note_full(&self.stream)?,
                    Err(error) => return Poll::Ready(Err(self.files.failed(error))),
                }
            }
            ready!(poll_writable(&self.stream, cx))?;
            let Some(piece) = self.files.first() else { return Poll::Ready(Ok(0)) };
            // The call may outlive the connection.
            let socket = descriptor(&self.stream).try_clone_to_owned()?;
            self.files.0.is_reading.store(true, Ordering::Relaxed);
            self.sending = Some(Box::pin(send_on_pool(socket, piece, self.was_slow)));
        }
    }
}

impl AsyncRead for FileWriter {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for FileWriter {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let placeholders: usize = slices.iter().filter(|slice| is_placeholder(slice)).map(|slice| slice.len()).sum();
        if placeholders as u64 != self.files.bytes() {
            return Poll::Ready(Err(io::Error::other("the placeholders are not those of the queued files")));
        }
        match slices.iter().position(|slice| is_placeholder(slice)) {
            Some(0) => self.poll_send(cx),
            Some(first) => Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..first]),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Whether a slice is in the region of placeholders.
fn is_placeholder(slice: &[u8]) -> bool {
    PLACEHOLDERS.get().is_some_and(|region| !slice.is_empty() && region.as_ptr_range().contains(&slice.as_ptr()))
}

fn poll_writable(stream: &Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    match stream {
        Either::Left(tcp) => tcp.poll_write_ready(cx),
        Either::Right(unix) => unix.poll_write_ready(cx),
    }
}

fn descriptor(stream: &Stream) -> BorrowedFd<'_> {
    match stream {
        Either::Left(tcp) => tcp.as_fd(),
        Either::Right(unix) => unix.as_fd(),
    }
}

/// Tells the runtime that the socket is full, unless that has changed: a readiness event since the call found it full
/// would be lost.
fn note_full(stream: &Stream) -> io::Result<()> {
    let look = || {
        if becomes_writable(descriptor(stream), Duration::ZERO)? {
            Ok(())
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    };
    let looked = match stream {
        Either::Left(tcp) => tcp.try_io(Interest::WRITABLE, look),
        Either::Right(unix) => unix.try_io(Interest::WRITABLE, look),
    };
    match looked {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        looked => looked,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixStream;

    use super::super::HttpLimits;
    use super::super::min_rate::SlowPeerGuard;
    use super::super::send_job::tests::{all_slow_slots, range};
    use super::*;

    #[tokio::test]
    async fn placeholders_that_are_not_what_is_queued_end_the_connection() {
        let (stream, peer) = UnixStream::pair().unwrap();
        let mut writer = FileWriter::new(Either::Right(stream));
        let placeholders = writer.files.push(&mut range(b"bytes"), &mut None);
        // Copied, as an unvectored writer would; too few; beside a copy.
        let copied = Bytes::copy_from_slice(&placeholders);
        assert!(writer.write(&copied).await.is_err());
        assert!(writer.write(&placeholders[1..]).await.is_err());
        assert!(writer.write_vectored(&[IoSlice::new(b"head"), IoSlice::new(&copied)]).await.is_err());
        assert_eq!(peer.try_read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        // What comes before them goes first.
        let count = writer.write_vectored(&[IoSlice::new(b"head"), IoSlice::new(&placeholders)]).await.unwrap();
        assert_eq!(count, 4);
        assert_eq!(writer.write(&placeholders).await.unwrap(), 5);
        // Once more than queued.
        assert!(writer.write(&placeholders).await.is_err());
        writer.write_all(b"tail").await.unwrap();
        let mut got = [0; 16];
        peer.readable().await.unwrap();
        assert_eq!(peer.try_read(&mut got).unwrap(), 13);
        assert_eq!(&got[..13], b"headbytestail");
    }

    #[tokio::test]
    async fn files_of_a_slow_disk_hold_up_no_others() {
        let _slots = all_slow_slots().await;
        // One that waits for no slot is done as soon as the machine lets it.
        for (was_slow, patience) in [(true, Duration::from_millis(200)), (false, Duration::from_secs(600))] {
            let (stream, _peer) = UnixStream::pair().unwrap();
            let mut writer = FileWriter::new(Either::Right(stream));
            writer.was_slow = was_slow;
            let placeholders = writer.files.push(&mut range(b"bytes"), &mut None);
            let sent = tokio::time::timeout(patience, writer.write(&placeholders)).await;
            assert_eq!(sent.is_err(), was_slow);
        }
    }

    /// A writer that never gets to write.
    struct Stuck;

    impl AsyncWrite for Stuck {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_disk_is_no_slow_peer() {
        for is_reading in [true, false] {
            let files = FileQueue::default();
            files.0.is_reading.store(is_reading, Ordering::Relaxed);
            let mut guard = SlowPeerGuard::new(Stuck, &HttpLimits::default(), Some(files));
            let waited = tokio::time::timeout(Duration::from_secs(600), guard.write(b"x")).await;
            assert_eq!(waited.is_err(), is_reading);
        }
    }
}
