//! The body of a response: empty, in memory, a stream, a range of a file, or a change of protocol.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame, SizeHint};

use super::file_fault::FileFault;
use super::send_file::FileQueue;
use super::send_job::FileRange;
use super::upgrade::Continuation;
use crate::daemon::Busy;

/// The body of a response. One of known length is sent with Content-Length, also to HEAD; others chunked.
pub struct ResponseBody {
    kind: Kind,
    /// Keeps the connection from being idle before the body is sent.
    busy: Option<Busy>,
    /// Dropped with the body.
    attached: Option<Box<dyn std::any::Any + Send>>,
}

type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

enum Kind {
    Empty,
    Full(Bytes),
    Stream { left_bytes: Option<u64>, stream: ByteStream, same: Option<FileRange> },
    File { rest: FileRange, queue: FileQueue },
    Upgrade(Continuation),
}

impl ResponseBody {
    /// Makes an empty body.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(Kind::Empty)
    }

    /// Makes no body: `continuation` takes over the connection. For 101 responses to HTTP/1.1 requests that ask for an
    /// upgrade and have no body.
    #[must_use]
    pub fn upgrade(continuation: Continuation) -> Self {
        Self::of(Kind::Upgrade(continuation))
    }

    fn of(kind: Kind) -> Self {
        Self { kind, busy: None, attached: None }
    }

    /// Keeps the connection busy until the body is dropped. With a queue for files, the connection sends a file itself.
    pub(super) fn send_on(&mut self, busy: Busy, files: Option<FileQueue>) {
        self.busy = Some(busy);
        if let Kind::Stream { same, .. } = &mut self.kind
            && let (Some(queue), Some(rest)) = (files, same.take())
        {
            self.kind = Kind::File { rest, queue };
        }
    }

    /// Keeps `guard` until the body is sent, or the peer is gone.
    pub fn attach(&mut self, guard: impl Send + 'static) {
        self.attached = Some(Box::new(guard));
    }

    /// Whether the body is there and has no bytes: a file, a stream or a text of length 0.
    pub(super) fn is_of_no_bytes(&self) -> bool {
        !matches!(self.kind, Kind::Empty | Kind::Upgrade(_)) && self.is_end_stream()
    }

    /// Takes out the continuation, if the response ends HTTP on this connection.
    pub(super) fn take_upgrade(&mut self) -> Option<Continuation> {
        match std::mem::replace(&mut self.kind, Kind::Empty) {
            Kind::Upgrade(continuation) => Some(continuation),
            other => {
                self.kind = other;
                None
            }
        }
    }

    /// Makes a body of `bytes`.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::of(Kind::Full(bytes.into()))
    }

    /// Makes a body of a stream, `length_bytes` in all if that is known.
    ///
    /// When the stream fails or is shorter, the connection is cut off, so that the peer does not take the part for the
    /// whole. The stream is not polled for a response to HEAD.
    pub fn stream(length_bytes: Option<u64>, stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self::of(Kind::Stream { left_bytes: length_bytes, stream: Box::pin(stream), same: None })
    }

    /// Makes a body of a range of a file. The kernel sends it if the connection supports that, else `stream` has the
    /// same bytes. A file that fails or is shorter cuts the connection off, as a stream does; `fault` gets the error,
    /// where the kernel sends it.
    pub fn file(
        file: Arc<File>,
        range: Range<u64>,
        stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        fault: FileFault,
    ) -> Self {
        let left_bytes = Some(range.end.saturating_sub(range.start));
        Self::of(Kind::Stream { left_bytes, stream: Box::pin(stream), same: Some(FileRange { file, range, fault }) })
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        match &mut this.kind {
            Kind::Empty | Kind::Upgrade(_) => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                this.kind = Kind::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Kind::File { rest, .. } if rest.range.is_empty() => Poll::Ready(None),
            Kind::File { rest, queue } => Poll::Ready(Some(Ok(Frame::data(queue.push(rest, &mut this.busy))))),
            Kind::Stream { left_bytes, stream, .. } => stream.as_mut().poll_next(cx).map_ok(|piece| {
                *left_bytes = left_bytes.map(|left| left.saturating_sub(piece.len() as u64));
                Frame::data(piece)
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty | Kind::Upgrade(_) => true,
            Kind::Full(bytes) => bytes.is_empty(),
            Kind::Stream { left_bytes, .. } => *left_bytes == Some(0),
            Kind::File { rest, .. } => rest.range.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty | Kind::Upgrade(_) => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream { left_bytes: Some(left), .. } => SizeHint::with_exact(*left),
            Kind::Stream { left_bytes: None, .. } => SizeHint::default(),
            Kind::File { rest, .. } => SizeHint::with_exact(rest.range.end.saturating_sub(rest.range.start)),
        }
    }
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ResponseBody").field(&self.size_hint().exact()).finish()
    }
}
