//! Accepts connections within their limits, and drains them at shutdown.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connections::{Activity, ConnectionLimits, Connections};
use super::listeners::{Address, Listener, Stream};
use super::socket_metrics::SocketMetrics;

/// Pause after accept failed for lack of descriptors or memory: long enough for connections to end.
const BACK_OFF: Duration = Duration::from_millis(100);

/// The result of [`serve`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Connections that were cut off because they had not ended when the drain time was over.
    pub cut_off: usize,
}

/// A connection that was accepted.
pub struct Accepted {
    /// The byte stream.
    pub stream: Stream,
    /// The peer's address.
    pub address: Address,
    /// Cancelled when the connection has to finish its request, and end.
    pub drain: CancellationToken,
    /// Tracks whether a request is under way on the connection.
    pub activity: Activity,
}

/// Accepts connections on all `listeners` and runs `handle` for each in its own task, until `shutdown`.
///
/// At the limit a new connection takes the place of the longest idle one; while none is idle it waits, and those after
/// it wait in the kernel's backlog. After `shutdown` it accepts no more, [`Accepted::drain`] is cancelled too, and
/// connections that have not ended after `drain_for` are cut off. Evicted and refused connections are counted in
/// `metrics`.
///
/// # Errors
/// When a listener cannot be registered with the runtime. Failed accepts are retried.
pub async fn serve<H, F>(
    listeners: Vec<Listener>,
    limits: ConnectionLimits,
    metrics: Arc<SocketMetrics>,
    handle: H,
    shutdown: CancellationToken,
    drain_for: Duration,
) -> io::Result<Served>
where
    H: Fn(Accepted) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut sockets = Sockets::new(listeners)?;
    let table = Connections::new(limits, metrics);
    let connections = TaskTracker::new();
    let cut_off = CancellationToken::new();
    while let Some((stream, address)) = shutdown.run_until_cancelled(sockets.accept()).await {
        // One that was accepted is served, although it still waits for a place when the program is to end.
        let _ = shutdown.run_until_cancelled(table.wait_for_place()).await;
        let Some(slot) = table.admit(&address) else { continue };
        let (drain, activity) = (shutdown.clone(), slot.activity());
        // Boxed: each future around it would keep memory for it twice.
        let connection = Box::pin(handle(Accepted { stream, address, drain, activity }));
        let cut_off = cut_off.clone();
        connections.spawn(async move {
            let evicted = slot.evicted();
            // Dropped in this order: the connection is closed before its place is free.
            let _slot = slot;
            let connection = evicted.run_until_cancelled_owned(connection);
            let _ = cut_off.run_until_cancelled(connection).await;
        });
    }
    drop(sockets);
    connections.close();
    let remaining = match tokio::time::timeout(drain_for, connections.wait()).await {
        Ok(()) => 0,
        Err(_) => connections.len(),
    };
    cut_off.cancel();
    connections.wait().await;
    Ok(Served { cut_off: remaining })
}

/// The listening sockets, polled round robin.
struct Sockets {
    sockets: Vec<Either<TcpListener, UnixListener>>,
    next: usize,
}

impl Sockets {
    fn new(listeners: Vec<Listener>) -> io::Result<Self> {
        let register = |listener| match listener {
            Listener::Tcp(listener) => TcpListener::from_std(listener).map(Either::Left),
            Listener::Unix(listener) => UnixListener::from_std(listener).map(Either::Right),
        };
        Ok(Self { sockets: listeners.into_iter().map(register).collect::<io::Result<_>>()?, next: 0 })
    }

    /// Returns the next connection. Waits while accepting fails, and logs that once.
    async fn accept(&mut self) -> (Stream, Address) {
        let mut logged = false;
        loop {
            let error = match std::future::poll_fn(|cx| self.poll_accept(cx)).await {
                Ok(accepted) => return accepted,
                Err(error) => error,
            };
            // Only that one connection failed.
            if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) {
                continue;
            }
            if !logged {
                tracing::warn!(%error, "cannot accept connections; trying again");
                logged = true;
            }
            tokio::time::sleep(BACK_OFF).await;
        }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Address)>> {
        for _ in 0..self.sockets.len() {
            // The socket served last comes last.
            self.next = (self.next + 1) % self.sockets.len();
            let accepted = match &self.sockets[self.next] {
                Either::Left(listener) => listener.poll_accept(cx).map_ok(|(stream, address)| {
                    // Small answers must not wait for the acknowledgement of earlier ones. It fails only on a
                    // connection that is already gone.
                    let _ = stream.set_nodelay(true);
                    (Either::Left(stream), Address::Tcp(address))
                }),
                Either::Right(listener) => {
                    listener.poll_accept(cx).map_ok(|(stream, _)| (Either::Right(stream), Address::Unix))
                }
            };
            if accepted.is_ready() {
                return accepted;
            }
        }
        Poll::Pending
    }
}
