//! The public sockets of a program.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Program, answer};
use crate::daemon::{self, Accepted, ConnectionLimits, Listener, Served, SocketMetrics};
use crate::wire::{self, Connection, FileWriter, HttpLimits};

/// The server of a program's public sockets.
pub struct Public<P> {
    /// The program that answers.
    pub program: Arc<P>,
    /// The metrics of the sockets.
    pub sockets: Arc<SocketMetrics>,
    /// The limits of open connections.
    pub connections: ConnectionLimits,
}

impl<P: Program> Public<P> {
    /// Serves until `shutdown`; requests in flight then have `drain_for` to end.
    ///
    /// # Errors
    /// When a listener cannot be registered with the runtime.
    pub async fn serve(
        self,
        listeners: Vec<Listener>,
        shutdown: CancellationToken,
        drain_for: Duration,
    ) -> io::Result<Served> {
        let Self { program, sockets, connections } = self;
        let metered = Arc::clone(&sockets);
        let handle = move |accepted: Accepted| {
            let program = Arc::clone(&program);
            let answer = move |request| answer(Arc::clone(&program), request);
            let Accepted { stream, address, drain, activity } = accepted;
            let stream = FileWriter::new(stream);
            let (files, stream) = (Some(stream.files()), metered.meter(stream));
            let connection = Connection { io: stream, peer: address.into(), drain, activity, files };
            wire::serve(connection, HttpLimits::default(), answer)
        };
        daemon::serve(listeners, connections, sockets, handle, shutdown, drain_for).await
    }
}
