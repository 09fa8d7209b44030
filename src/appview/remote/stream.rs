//! Streamed responses, from URLs that need no credential.

use std::time::Duration;

use http::header::{HeaderValue, LOCATION, RANGE};
use http::{Method, Request, Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::{Remote, RemoteError};
use server::egress::{ClientBody, EgressError, empty_body, wait_for};

/// Time limit for the head of a response, redirect and all.
const HEAD: Duration = Duration::from_secs(30);

impl Remote {
    /// Requests a URL, or a range of its content; follows one redirect. Returns the response, of status 200, 206 or 416,
    /// with its body unread; the caller limits each wait for the body.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn open(
        &self,
        method: Method,
        url: &str,
        range: Option<&HeaderValue>,
    ) -> Result<Response<ClientBody>, RemoteError> {
        let opening = async {
            // A bucket may be in another region than the one that its URL names.
            match self.open_at(method.clone(), url, range).await {
                Err(RemoteError::Redirected(next)) => self.open_at(method, &next, range).await,
                answer => answer,
            }
        };
        wait_for(timeout(HEAD, opening)).await?.map_err(|_| EgressError::TimedOut(HEAD))?
    }

    async fn open_at(
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
        let answer = self.http.send(request).await?;
        match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => Ok(answer),
            status => Err(match redirected(url, &answer) {
                Some(next) => RemoteError::Redirected(next),
                None => {
                    let retry_after = self.retry_after(status, answer.headers());
                    RemoteError::Refused { status, name: String::new(), message: String::new(), retry_after }
                }
            }),
        }
    }
}

/// Returns the URL that the response to a request of `url` redirects to.
fn redirected(url: &str, answer: &Response<ClientBody>) -> Option<String> {
    let is_one = matches!(
        answer.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = answer.headers().get(LOCATION).filter(|_| is_one)?.to_str().ok()?;
    Some(Url::parse(url).ok()?.join(location).ok()?.into())
}
