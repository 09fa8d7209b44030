//! The public sockets.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::api::ApiState;
use server::daemon::{self, Accepted, ConnectionLimits, Listener, Served, SocketMetrics};
use server::{wire, xrpc};

/// The server of the public sockets.
pub(super) struct Public {
    pub(super) state: Arc<ApiState>,
    /// The metrics of the sockets.
    pub(super) sockets: Arc<SocketMetrics>,
    /// How many connections there may be.
    pub(super) connections: ConnectionLimits,
}

impl Public {
    /// Answers until `shutdown`; requests in flight may take `drain_for` to end.
    pub(super) async fn serve(
        self,
        listeners: Vec<Listener>,
        shutdown: CancellationToken,
        drain_for: Duration,
    ) -> io::Result<Served> {
        let limits = wire::HttpLimits::default();
        let Self { state, sockets, connections } = self;
        let metered = Arc::clone(&sockets);
        let handle = move |accepted: Accepted| {
            let state = Arc::clone(&state);
            let answer = move |request| xrpc::answer(Arc::clone(&state), request);
            let Accepted { stream, address, drain, activity } = accepted;
            wire::serve(metered.meter(stream), address.into(), limits, answer, drain, activity)
        };
        daemon::serve(listeners, connections, sockets, handle, shutdown, drain_for).await
    }
}
