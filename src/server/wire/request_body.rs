//! A request's body as its handler reads it, with limits of size and waiting.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::HttpLimits;
use super::min_rate::{MinRate, poll_timer};
use super::stopwatch::Stopwatch;

/// Errors of reading a body. No more bytes follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// More bytes than the limit. Answer 413.
    #[error("the request body is too large")]
    TooLarge,
    /// No byte for too long, or too few over a window. Answer 408.
    #[error("the request body took too long to arrive")]
    TimedOut,
    /// Framing that breaks the announced one. Answer 400.
    #[error("the request body is malformed")]
    Malformed,
    /// The peer disconnected; no response will reach it.
    #[error("the peer went away within the request body")]
    Disconnected,
}

/// The body of a request, as a stream of pieces of at most [`HttpLimits::buffer_bytes`].
///
/// A peer that sent `Expect: 100-continue` gets 100 when the body is first polled, not before: an early refusal is all
/// it gets. When a body is not read to its end, the connection closes after the response.
pub struct RequestBody {
    incoming: Incoming,
    unread_bytes: Option<u64>,
    left_bytes: u64,
    wait: Wait,
    ended: Arc<AtomicBool>,
    failed: bool,
    /// Bytes that were read already, and are returned again.
    buffered: Option<Bytes>,
}

impl RequestBody {
    /// Creates the body; `ended` is set as soon as it was read to its end.
    pub(super) fn new(incoming: Incoming, limits: &HttpLimits, ended: Arc<AtomicBool>) -> Self {
        ended.store(incoming.is_end_stream(), Ordering::Release);
        Self {
            unread_bytes: incoming.size_hint().exact(),
            incoming,
            left_bytes: u64::MAX,
            wait: Wait::new(limits),
            ended,
            failed: false,
            buffered: None,
        }
    }

    /// Returns how many bytes are not read yet if the request announced its length, 0 without a body, `None` when it is
    /// chunked.
    #[must_use]
    pub fn unread_length(&self) -> Option<u64> {
        self.unread_bytes
    }

    /// Reads the whole body.
    ///
    /// # Errors
    /// The error of reading it; [`BodyFault::TooLarge`] beyond `limit_bytes`.
    pub async fn collect(mut self, limit_bytes: u64) -> Result<Bytes, BodyFault> {
        self.read(limit_bytes).await
    }

    /// Reads the whole body into memory; the returned body reads from there.
    ///
    /// # Errors
    /// As [`Self::collect`].
    pub async fn buffer(mut self, limit_bytes: u64) -> Result<Self, BodyFault> {
        let whole = self.read(limit_bytes).await?;
        self.left_bytes = u64::MAX;
        self.unread_bytes = Some(whole.len() as u64);
        self.buffered = Some(whole);
        Ok(self)
    }

    async fn read(&mut self, limit_bytes: u64) -> Result<Bytes, BodyFault> {
        self.left_bytes = limit_bytes;
        let first = self.next().await.transpose()?.unwrap_or_default();
        let Some(second) = self.next().await.transpose()? else { return Ok(first) };
        let mut whole = BytesMut::from(first);
        whole.extend_from_slice(&second);
        while let Some(piece) = self.next().await.transpose()? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFault>>> {
        if self.unread_bytes.is_some_and(|length| length > self.left_bytes) {
            return Poll::Ready(Some(Err(BodyFault::TooLarge)));
        }
        loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // No handler uses trailers.
                    let Ok(piece) = frame.into_data() else { continue };
                    return Poll::Ready(Some(self.take(piece)));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(fault(&error)))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    return self.wait.poll_expired(cx).map(|()| Some(Err(BodyFault::TimedOut)));
                }
            }
        }
    }

    fn take(&mut self, piece: Bytes) -> Result<Bytes, BodyFault> {
        self.wait.moved(piece.len());
        let length = piece.len() as u64;
        self.left_bytes = self.left_bytes.checked_sub(length).ok_or(BodyFault::TooLarge)?;
        self.unread_bytes = self.unread_bytes.map(|left| left.saturating_sub(length));
        Ok(piece)
    }
}

impl Stream for RequestBody {
    type Item = Result<Bytes, BodyFault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.failed {
            return Poll::Ready(None);
        }
        if let Some(whole) = self.buffered.take().filter(|whole| !whole.is_empty()) {
            let fits = whole.len() as u64 <= self.left_bytes;
            return Poll::Ready(Some(if fits { Ok(whole) } else { Err(BodyFault::TooLarge) }));
        }
        let polled = self.poll_piece(cx);
        match &polled {
            Poll::Ready(Some(Err(_))) => self.failed = true,
            Poll::Ready(_) if self.incoming.is_end_stream() => self.ended.store(true, Ordering::Release),
            Poll::Ready(None) => self.ended.store(true, Ordering::Release),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestBody").field("unread_bytes", &self.unread_bytes).finish_non_exhaustive()
    }
}

/// Converts hyper's error: broken framing appears as invalid data, from the guard or hyper's own decoder.
fn fault(error: &hyper::Error) -> BodyFault {
    let kind = error.source().and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
    match kind {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => BodyFault::Malformed,
        _ => BodyFault::Disconnected,
    }
}

/// Measures how long a body makes its reader wait.
struct Wait {
    idle: Duration,
    silent: Stopwatch,
    min_rate: MinRate,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Wait {
    fn new(limits: &HttpLimits) -> Self {
        let (idle, silent) = (limits.body_idle_time, Stopwatch::default());
        Self { idle, silent, min_rate: MinRate::new(limits), timer: None }
    }

    fn moved(&mut self, bytes: usize) {
        self.silent = Stopwatch::default();
        self.min_rate.moved(bytes, Instant::now());
    }

    /// Ready when the peer was silent for too long or was too slow.
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let due = self.silent.wait(self.idle, now).min(self.min_rate.wait(now));
            if poll_timer(&mut self.timer, due, cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if self.silent.has_passed(self.idle, now) || self.min_rate.is_too_slow(now) {
                return Poll::Ready(());
            }
        }
    }
}
