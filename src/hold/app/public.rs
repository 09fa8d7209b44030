//! The public sockets: requests of everybody.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::api::{self, State};
use server::daemon::{self, Address, Flow, Listener, Served, Stream};
use server::wire;

/// Who answers there.
pub(super) struct Public {
    pub(super) state: Arc<State>,
    /// Counts what passes.
    pub(super) flow: Arc<Flow>,
    pub(super) max_connections: usize,
}

impl Public {
    /// Answers until `shutdown`; requests in flight may take `drain_for` to end.
    pub(super) async fn serve(
        self,
        listeners: Vec<Listener>,
        shutdown: CancellationToken,
        drain_for: Duration,
    ) -> io::Result<Served> {
        let limits = wire::Limits::default();
        let Self { state, flow, max_connections } = self;
        let handle = move |stream: Stream, address: Address, drain: CancellationToken| {
            let state = Arc::clone(&state);
            let answer = move |request| api::answer(Arc::clone(&state), request);
            wire::serve(flow.meter(stream), address.into(), limits, answer, drain)
        };
        daemon::serve(listeners, max_connections, handle, shutdown, drain_for).await
    }
}
