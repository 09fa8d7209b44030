//! Metrics of connections and the bytes sent and received.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::metrics::{Counter, Gauge, Text};

/// The metrics of some sockets.
#[derive(Debug, Default)]
pub struct SocketMetrics {
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections closed at once, because their address has its share.
    pub refused: Counter,
    /// Idle connections closed to make room.
    pub evicted: Counter,
    /// Open connections.
    pub open: Gauge,
    /// Bytes received, with the heads of requests and frames.
    pub received_bytes: Counter,
    /// Bytes sent, with the heads of responses and frames.
    pub sent_bytes: Counter,
}

impl SocketMetrics {
    /// Wraps `stream` as a connection that counts as open until it is dropped.
    pub fn meter<S>(self: &Arc<Self>, stream: S) -> Metered<S> {
        self.accepted.inc();
        self.open.inc();
        Metered { stream, metrics: Arc::clone(self) }
    }

    /// Writes the metrics, with names that begin with `program`; `max_connections` is the limit of open connections.
    pub fn show(&self, text: &mut Text, program: &str, max_connections: usize) {
        let name = |rest: &str| format!("{program}_{rest}");
        let help = "Bytes received on the public sockets, heads and frames among them.";
        text.counter(&name("received_bytes_total"), help, self.received_bytes.get());
        let help = "Bytes sent on the public sockets; what a bucket or a proxy sends is not among them.";
        text.counter(&name("sent_bytes_total"), help, self.sent_bytes.get());
        let help = "Connections accepted on the public sockets.";
        text.counter(&name("connections_accepted_total"), help, self.accepted.get());
        let help = "Connections that were closed at once, because their address has its share.";
        text.counter(&name("connections_refused_total"), help, self.refused.get());
        let help = "Idle connections that were closed to make room for others.";
        text.counter(&name("connections_evicted_total"), help, self.evicted.get());
        text.gauge(&name("connections_open"), "Open connections on the public sockets.", self.open.get());
        let help = "Connections that may be open; beyond that the kernel keeps new ones waiting.";
        text.gauge(&name("connections_max"), help, max_connections);
    }
}

/// A connection whose bytes are counted.
#[derive(Debug)]
pub struct Metered<S> {
    stream: S,
    metrics: Arc<SocketMetrics>,
}

impl<S> Drop for Metered<S> {
    fn drop(&mut self) {
        self.metrics.open.dec();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.metrics.received_bytes.add((buffer.filled().len() - before) as u64);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.sent(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.sent(polled)
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

impl<S> Metered<S> {
    fn sent(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &polled {
            self.metrics.sent_bytes.add(*count as u64);
        }
        polled
    }
}
