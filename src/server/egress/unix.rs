//! Requests to a process of this machine, through a Unix socket.

use std::io;
use std::path::Path;

use http::{Request, Response};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::body::{ClientBody, boxed_body};
use super::error::{EgressError, root_cause};

/// An HTTP connection to the process that listens at a socket file.
pub struct UnixConnection(SendRequest<ClientBody>);

impl UnixConnection {
    /// Connects to the socket file at `path`.
    ///
    /// # Errors
    /// The error of `connect(2)`: nobody listens, no permission.
    pub async fn open(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // It ends with the last response; its errors appear where the response is read.
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Sends a request and waits for the head of its response, without a time-out. The URI is a path alone.
    ///
    /// # Errors
    /// [`EgressError::Broken`]
    pub async fn send(&mut self, request: Request<ClientBody>) -> Result<Response<ClientBody>, EgressError> {
        let answer = self.0.send_request(request).await;
        answer.map(|answer| answer.map(boxed_body)).map_err(|error| EgressError::Broken(root_cause(&error)))
    }
}
