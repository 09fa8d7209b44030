//! The body of an answer: none, whole, a stream, or what follows a change of protocol.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame, SizeHint};

use super::upgrade::Continuation;
use crate::daemon::Busy;

/// The body of an answer. One of known length is sent with Content-Length, to HEAD too; else chunked.
pub struct ResponseBody {
    kind: Kind,
    /// The connection is not idle before the body is sent.
    busy: Option<Busy>,
    /// Dropped with the body.
    attached: Option<Box<dyn std::any::Any + Send>>,
}

type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

enum Kind {
    Empty,
    Full(Bytes),
    Stream { left_bytes: Option<u64>, stream: ByteStream },
    Upgrade(Continuation),
}

impl ResponseBody {
    /// Makes an empty body.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(Kind::Empty)
    }

    /// No body: the connection goes on as `continuation` says. For 101 answers to HTTP/1.1 requests that ask for an
    /// upgrade and have no body.
    #[must_use]
    pub fn upgrade(continuation: Continuation) -> Self {
        Self::of(Kind::Upgrade(continuation))
    }

    fn of(kind: Kind) -> Self {
        Self { kind, busy: None, attached: None }
    }

    /// The connection is busy for as long as the body is there.
    pub(super) fn keep_busy(&mut self, busy: Busy) {
        self.busy = Some(busy);
    }

    /// Keeps `guard` until the body is sent, or the peer is gone.
    pub fn attach(&mut self, guard: impl Send + 'static) {
        self.attached = Some(Box::new(guard));
    }

    /// Takes out what follows the answer, if it ends HTTP on this connection.
    pub(super) fn take_upgrade(&mut self) -> Option<Continuation> {
        match std::mem::replace(&mut self.kind, Kind::Empty) {
            Kind::Upgrade(continuation) => Some(continuation),
            other => {
                self.kind = other;
                None
            }
        }
    }

    /// Makes a body that is in memory.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::of(Kind::Full(bytes.into()))
    }

    /// A body that comes in pieces, `length_bytes` in all if that is known.
    ///
    /// When the stream fails or is shorter, the connection breaks off, so that the peer does not take the part
    /// for the whole. It is not polled for an answer to HEAD.
    pub fn stream(length_bytes: Option<u64>, stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self::of(Kind::Stream { left_bytes: length_bytes, stream: Box::pin(stream) })
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.kind {
            Kind::Empty | Kind::Upgrade(_) => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.kind = Kind::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Kind::Stream { left_bytes, stream } => stream.as_mut().poll_next(cx).map_ok(|piece| {
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
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty | Kind::Upgrade(_) => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream { left_bytes: Some(left), .. } => SizeHint::with_exact(*left),
            Kind::Stream { left_bytes: None, .. } => SizeHint::default(),
        }
    }
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ResponseBody").field(&self.size_hint().exact()).finish()
    }
}
