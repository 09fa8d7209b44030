//! A stream between the socket and hyper that passes on only request heads that were checked.
//!
//! It follows each request's framing, so that it knows where the next head begins; body bytes go straight into hyper's
//! buffer. In place of a refused head hyper gets a well-formed one, and the refusal waits in a cell for the service: so
//! a refusal is answered, logged and counted like any other request, and then the connection ends.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::HttpLimits;
use super::framing::Framing;
use super::head::{self, HeadRefusal};
use super::min_rate::poll_timer;
use super::stopwatch::Stopwatch;
use super::upgrade::Switch;

const REFUSED_HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
/// The response to HEAD has no body, whatever else is wrong.
const REFUSED_HEAD_OF_HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// A stream that reads as well-formed requests only.
pub(super) struct HeadGuard<I> {
    io: I,
    /// Bytes read from the peer and not yet passed on.
    held: BytesMut,
    /// Number of bytes at the front of `held` that may be passed on.
    passable: usize,
    stage: Stage,
    clock: Clock,
    /// Set at most once, for the last request that hyper gets.
    refusal: Arc<OnceLock<HeadRefusal>>,
    /// Once thrown, the peer's bytes are not for hyper.
    switch: Switch,
}

enum Stage {
    /// Before or within a head, of which `scanned` bytes were searched.
    Head {
        scanned: usize,
        after_empty_line: bool,
    },
    Body(Framing),
    /// hyper has all that it needs for its last response.
    Refused,
    Ended,
}

const NEXT_HEAD: Stage = Stage::Head { scanned: 0, after_empty_line: false };

impl<I: AsyncRead + Unpin> HeadGuard<I> {
    pub(super) fn new(io: I, limits: &HttpLimits, refusal: Arc<OnceLock<HeadRefusal>>, switch: Switch) -> Self {
        let waited = Stopwatch::running(Instant::now());
        let clock = Clock { limits: *limits, timer: None, first_head: true, head_begun: false, waited };
        Self { io, held: BytesMut::new(), passable: 0, stage: NEXT_HEAD, clock, refusal, switch }
    }

    /// Returns the stream, and the bytes read from it and not passed on.
    pub(super) fn into_parts(self) -> (I, BytesMut) {
        (self.io, self.held)
    }

    /// Whether no part of a request is left unread, as far as is known.
    pub(super) fn is_at_rest(&self) -> bool {
        self.held.is_empty() && matches!(self.stage, Stage::Head { .. } | Stage::Ended)
    }

    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.passable.min(buf.remaining());
        buf.put_slice(&self.held[..count]);
        self.held.advance(count);
        self.passable -= count;
        if self.held.is_empty() {
            // Frees the memory: an idle connection holds none here.
            self.held = BytesMut::new();
        }
    }

    /// Looks for a whole head at the front of `held`; returns whether anything changed.
    fn examine_head(&mut self) -> bool {
        let Stage::Head { scanned, after_empty_line } = &mut self.stage else { return false };
        // RFC 9112, section 2.2: one empty line before a request is ignored.
        if !*after_empty_line && self.held.starts_with(b"\r\n") {
            self.held.advance(2);
            // A CR that came alone was scanned already.
            *scanned = 0;
            *after_empty_line = true;
        }
        let checked = match head::find_end(&self.held, scanned) {
            Ok(None) => return false,
            Ok(Some(end)) => head::check(&self.held[..end]).map(|framing| (end, framing)),
            Err(refusal) => Err(refusal),
        };
        match checked {
            Ok((end, framing)) => {
                self.passable = end;
                self.clock.head_complete();
                self.stage = after(framing);
            }
            Err(refusal) => self.refuse(refusal),
        }
        true
    }

    fn refuse(&mut self, refusal: HeadRefusal) {
        let synthetic = if self.held.starts_with(b"HEAD ") { REFUSED_HEAD_OF_HEAD } else { REFUSED_HEAD };
        self.held = BytesMut::from(synthetic);
        self.passable = synthetic.len();
        self.stage = Stage::Refused;
        // Nothing follows a refusal, so the cell is empty.
        let _ = self.refusal.set(refusal);
    }

    /// Reads more of a head, or handles its time-out. hyper's buffer serves as scratch space.
    fn poll_head(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        match Pin::new(&mut self.io).poll_read(cx, buf)? {
            Poll::Ready(()) => {
                self.held.extend_from_slice(&buf.filled()[start..]);
                if buf.filled().len() == start {
                    self.stage = Stage::Ended;
                }
                buf.set_filled(start);
            }
            Poll::Pending => {
                ready!(self.clock.poll_deadline(cx, !self.held.is_empty()));
                if self.held.is_empty() {
                    self.stage = Stage::Ended;
                } else {
                    self.refuse(HeadRefusal::TIMED_OUT);
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads body bytes into hyper's buffer and holds back the bytes after the body.
    fn poll_body(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Stage::Body(framing) = &mut self.stage else { return Poll::Ready(Ok(())) };
        let start = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let arrived = &buf.filled()[start..];
        if arrived.is_empty() {
            self.stage = Stage::Ended;
            return Poll::Ready(Ok(()));
        }
        let taken = framing.advance(arrived).map_err(io::Error::from)?;
        self.held.extend_from_slice(&arrived[taken..]);
        buf.set_filled(start + taken);
        self.end_of_body();
        Poll::Ready(Ok(()))
    }

    fn end_of_body(&mut self) {
        if let Stage::Body(framing) = &self.stage
            && framing.is_done()
        {
            self.clock.waited = Stopwatch::running(Instant::now());
            self.stage = NEXT_HEAD;
        }
    }
}

fn after(framing: Framing) -> Stage {
    if framing.is_done() { NEXT_HEAD } else { Stage::Body(framing) }
}

impl<I: AsyncRead + Unpin> AsyncRead for HeadGuard<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if this.switch.is_thrown() {
            // hyper goes on to write its response.
            return Poll::Pending;
        }
        loop {
            if this.passable > 0 {
                this.hand_on(buf);
                return Poll::Ready(Ok(()));
            }
            match &mut this.stage {
                Stage::Head { .. } => {
                    if this.held.is_empty() || !this.examine_head() {
                        ready!(this.poll_head(cx, buf))?;
                    }
                }
                Stage::Body(_) if this.held.is_empty() => return this.poll_body(cx, buf),
                Stage::Body(framing) => {
                    this.passable = framing.advance(&this.held).map_err(io::Error::from)?;
                    this.end_of_body();
                }
                // hyper goes on to write its response.
                Stage::Refused => return Poll::Pending,
                Stage::Ended => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for HeadGuard<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.clock.wrote(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.clock.wrote(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Only flushes: the connection is still read for a while before the socket is shut down and closed.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
}

/// The time-outs of heads, and of silence between them.
struct Clock {
    limits: HttpLimits,
    timer: Option<Pin<Box<Sleep>>>,
    first_head: bool,
    /// Whether the current head was seen incomplete.
    head_begun: bool,
    /// Runs since then; before, since the connection opened, or the last byte of a request or a response passed.
    waited: Stopwatch,
}

impl Clock {
    fn poll_deadline(&mut self, cx: &mut Context<'_>, head_begun: bool) -> Poll<()> {
        if head_begun != self.head_begun {
            (self.head_begun, self.waited) = (head_begun, Stopwatch::default());
        }
        let limits = &self.limits;
        let limit = if head_begun || self.first_head { limits.head_time } else { limits.idle_time };
        loop {
            let due = self.waited.wait(limit, Instant::now());
            ready!(poll_timer(&mut self.timer, due, cx));
            if self.waited.has_passed(limit, Instant::now()) {
                return Poll::Ready(());
            }
        }
    }

    fn head_complete(&mut self) {
        self.first_head = false;
        (self.head_begun, self.waited) = (false, Stopwatch::running(Instant::now()));
    }

    fn wrote(&mut self, outcome: &Poll<io::Result<usize>>) {
        if matches!(outcome, Poll::Ready(Ok(_))) && !self.head_begun {
            self.waited = Stopwatch::running(Instant::now());
        }
    }
}
