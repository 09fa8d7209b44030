//! The limits of one connection, with their arithmetic.

use std::time::Duration;

/// The limits of one connection. The defaults are the production values; tests shrink them.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Time-out from the first byte of a request's head to its last; also of the silence of a new connection.
    pub head_time: Duration,
    /// Time-out of the silence between two requests.
    pub idle_time: Duration,
    /// Time-out of the silence of a request body while its reader waits.
    pub body_idle_time: Duration,
    /// Waiting time over which a peer's throughput is measured, in either direction.
    pub min_rate_window: Duration,
    /// Bytes that must move in each [`Self::min_rate_window`] of waiting.
    pub min_rate_bytes: u64,
    /// Time that a connection without a request under way may still send one when draining begins.
    pub drain_idle_time: Duration,
    /// Time that a connection is read on after its last response, so that the response is not lost to a reset.
    pub linger_time: Duration,
    /// The same time when no part of a request was left unread: then only a pipelined request can be under way, and a
    /// restart should not wait for clients that keep idle connections.
    pub linger_at_rest_time: Duration,
    /// Limit of the bytes discarded in that time.
    pub linger_bytes: u64,
    /// Limit of hyper's buffer in each direction, and size of the pieces of a body. At least 8,192.
    pub buffer_bytes: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(10),
            // More than the 60 s for which common reverse proxies keep idle connections: they close first, not this
            // server.
            idle_time: Duration::from_secs(75),
            body_idle_time: Duration::from_secs(30),
            // 1 KiB/s over a minute. The kernel reports progress in steps of a third of its send buffer, about 50 KiB
            // on slow links, so the measurement is about right where it matters.
            min_rate_window: Duration::from_secs(60),
            min_rate_bytes: 60 * 1024,
            // A busy client sends at once; a restart waits no longer for connections that are idle, or made in advance.
            drain_idle_time: Duration::from_millis(250),
            linger_time: Duration::from_secs(5),
            linger_at_rest_time: Duration::from_millis(100),
            linger_bytes: 64 * 1024 * 1024,
            // 256 uploads × (16 KiB in hyper + 16 KiB with the handler) = 8 MiB.
            buffer_bytes: 16 * 1024,
        }
    }
}
