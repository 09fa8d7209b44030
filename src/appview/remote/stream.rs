//! Answers that stream, from addresses that need nothing else.

use std::time::Duration;

use http::header::{HeaderValue, RANGE};
use http::{Method, Request, Response, StatusCode};
use tokio::time::timeout;

use super::{Remote, RemoteError};
use server::egress::{ClientBody, EgressError, empty_body};

/// How long a server may take to the head of its answer.
const HEAD: Duration = Duration::from_secs(30);

impl Remote {
    /// Reads an address, or a range of what is there. Returns the answer with its body still to come, of status 200, 206
    /// or 416; whoever reads it bounds each wait.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn open(
        &self,
        method: Method,
        url: &str,
        range: Option<&HeaderValue>,
    ) -> Result<Response<ClientBody>, RemoteError> {
        let mut request = Request::builder().method(method).uri(url);
        if let Some(range) = range {
            request = request.header(RANGE, range);
        }
        let request = request.body(empty_body()).map_err(|error| EgressError::Request(error.to_string()))?;
        let answer = timeout(HEAD, self.http.send(request)).await.map_err(|_| EgressError::TimedOut(HEAD))??;
        match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => Ok(answer),
            status => Err(RemoteError::Refused { status, name: String::new(), message: String::new() }),
        }
    }
}
