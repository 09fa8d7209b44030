//! The minimum throughput of a peer, and the writer that fails for a peer that reads more slowly.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::stopwatch::Stopwatch;
use super::{FileQueue, HttpLimits};

/// Measures how many bytes a peer moved while this side waited for it. Time without a wait does not count.
#[derive(Debug)]
pub(super) struct MinRate {
    window: Duration,
    min_bytes: u64,
    waited: Stopwatch,
    moved: u64,
}

impl MinRate {
    pub(super) fn new(limits: &HttpLimits) -> Self {
        Self {
            window: limits.min_rate_window,
            min_bytes: limits.min_rate_bytes,
            waited: Stopwatch::default(),
            moved: 0,
        }
    }

    /// Begins or continues a wait for the peer. Returns the time of the next check if nothing moves.
    pub(super) fn wait(&mut self, now: Instant) -> Instant {
        self.waited.wait(self.window, now)
    }

    /// Records bytes that the peer moved, and ends the wait.
    pub(super) fn moved(&mut self, bytes: usize, now: Instant) {
        self.moved += bytes as u64;
        self.waited.pause(self.window, now);
    }

    /// Whether a whole window was waited and too little moved in it. Begins the next window if so much was waited.
    pub(super) fn is_too_slow(&mut self, now: Instant) -> bool {
        if !self.waited.has_passed(self.window, now) {
            return false;
        }
        let too_slow = self.moved < self.min_bytes;
        self.waited.reset();
        self.moved = 0;
        too_slow
    }
}

/// A stream whose writes fail with [`io::ErrorKind::TimedOut`] when the peer reads too slowly.
pub(super) struct SlowPeerGuard<I> {
    io: I,
    min_rate: MinRate,
    timer: Option<Pin<Box<Sleep>>>,
    files: Option<FileQueue>,
}

impl<I> SlowPeerGuard<I> {
    pub(super) fn new(io: I, limits: &HttpLimits, files: Option<FileQueue>) -> Self {
        Self { io, min_rate: MinRate::new(limits), timer: None, files }
    }

    /// Checks the throughput after one attempt to write.
    fn check(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Ok(bytes)) => {
                self.min_rate.moved(bytes, Instant::now());
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // The wait is for a file, not for the peer.
            Poll::Pending if self.files.as_ref().is_some_and(FileQueue::is_reading) => {
                self.min_rate.moved(0, Instant::now());
                Poll::Pending
            }
            Poll::Pending => loop {
                let deadline = self.min_rate.wait(Instant::now());
                if poll_timer(&mut self.timer, deadline, cx).is_pending() {
                    return Poll::Pending;
                }
                if self.min_rate.is_too_slow(Instant::now()) {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            },
        }
    }
}

/// Polls a timer that is created at its first use and reset when its deadline changes.
pub(super) fn poll_timer(timer: &mut Option<Pin<Box<Sleep>>>, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
    if timer.deadline() != deadline {
        timer.as_mut().reset(deadline);
    }
    timer.as_mut().poll(cx)
}

impl<I: AsyncRead + Unpin> AsyncRead for SlowPeerGuard<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for SlowPeerGuard<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.check(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.check(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Whether a peer is found too slow within ten windows when it moves `bytes` after each `waited`, and this side is
    /// then busy with something else for `busy`.
    fn is_cut(bytes: usize, waited: Duration, busy: Duration) -> bool {
        let mut rate = MinRate::new(&HttpLimits::default());
        let mut now = Instant::now();
        let end = now + 600 * SECOND;
        while now < end {
            let step = now + waited;
            while rate.wait(now) <= step {
                now = rate.wait(now);
                if rate.is_too_slow(now) {
                    return true;
                }
            }
            now = step;
            rate.moved(bytes, now);
            now += busy;
        }
        false
    }

    #[test]
    fn a_peer_is_measured_by_what_it_moves_while_we_wait() {
        assert!(is_cut(0, 61 * SECOND, Duration::ZERO));
        assert!(is_cut(1, SECOND, Duration::ZERO));
        assert!(is_cut(1000, SECOND, Duration::ZERO));
        assert!(!is_cut(1100, SECOND, Duration::ZERO));
        assert!(!is_cut(70 * 1024, 40 * SECOND, Duration::ZERO));
        // 500 bytes a second of our time, but 50 kB for each second it kept us waiting.
        assert!(!is_cut(50_000, SECOND, 99 * SECOND));
    }
}
