//! Streamed responses, from URLs that need no credential.

use std::time::Duration;

use http::header::{HeaderValue, RANGE};
use http::{Method, Request, Response, StatusCode};
use tokio::time::timeout;

use super::{Remote, RemoteError};
use server::egress::{ClientBody, EgressError, empty_body};

/// Time limit for the head of a response.
const HEAD: Duration = Duration::from_secs(30);

impl Remote {
    /// Requests a URL, or a range of its content. Returns the response, of status 200, 206 or 416, with its body
    /// unread; the caller limits each wait for the body.
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
