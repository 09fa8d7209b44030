//! A connection after 101 Switching Protocols: no longer HTTP, but still one task of the same server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::daemon::Busy;
use crate::nonpoison::Mutex;

/// The stream below HTTP.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection after 101 Switching Protocols.
pub struct Upgraded {
    /// The stream of the new protocol. Writes still fail when the peer reads too slowly.
    pub io: Box<dyn Io>,
    /// Bytes that the peer sent before it had the response. They are to be read first.
    pub early: Vec<u8>,
}

/// A connection whose new protocol has ended.
pub struct Ended {
    /// The stream, which is still to be closed.
    pub io: Box<dyn Io>,
    /// Whether the peer needs no more time: it has announced that it sends no more, or had its chance.
    pub at_rest: bool,
}

/// Runs the new protocol until either side ends it or the token is cancelled.
pub type Continuation = Box<dyn FnOnce(Upgraded, CancellationToken) -> BoxFuture<'static, Ended> + Send>;

/// Passes the continuation from the response to the connection.
#[derive(Clone, Default)]
pub(super) struct Switch {
    thrown: Arc<AtomicBool>,
    continuation: Arc<Mutex<Option<(Continuation, Busy)>>>,
}

impl Switch {
    /// Sets the continuation. The connection stays busy until the new protocol ends.
    pub(super) fn throw(&self, continuation: Continuation, busy: Busy) {
        *self.continuation.lock() = Some((continuation, busy));
        self.thrown.store(true, Ordering::Release);
    }

    /// Whether the connection leaves HTTP with the response under way.
    pub(super) fn is_thrown(&self) -> bool {
        self.thrown.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> Option<(Continuation, Busy)> {
        self.continuation.lock().take()
    }
}
