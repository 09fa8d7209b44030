//! XRPC calls to PDSes and holds, whose addresses strangers choose: one client, one kind of error.
//!
//! A client of `server::egress` that reaches the public internet only, follows no redirect, and has a bound for time and
//! bytes of each answer.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, LOCATION};
use http::request::Builder;
use http::{Request, Response, StatusCode};
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use server::egress::{
    AnswerLimits, ClientBody, ClientPolicy, EgressError, HttpClient, Reach, empty_body, full_body, system_dns,
};

const LIMITS: AnswerLimits = AnswerLimits {
    // A PDS takes 0.4 s for a password, and a hold reads back what was uploaded to a bucket.
    time: Duration::from_secs(60),
    // A record has at most 1,000,000 bytes as DAG-CBOR, some more as JSON.
    body_bytes: 4 * 1024 * 1024,
};
/// An answer to a part: its ETag, also as JSON.
const PART_ANSWER_BYTES: usize = 64 * 1024;
/// As long as a client of 16 KiB/s takes for a part of 16 MiB; whoever feeds it bounds each wait.
const PART_TIME: Duration = Duration::from_secs(20 * 60);
/// Look-ups of names at once that strangers chose.
const DNS_THREADS: usize = 8;
/// What a sentence of another server is cut to.
const MAX_MESSAGE_CHARS: usize = 300;

/// Why a call did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// The server answered with an error.
    #[error("it answered {status} {name}: {message}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// What it tells programs; empty when its answer is no XRPC error.
        name: String,
        /// What it tells people.
        message: String,
    },
    /// The server sends the caller elsewhere.
    #[error("it answered with a redirect")]
    Redirected(String),
    /// No answer.
    #[error("it cannot be reached: {0}")]
    Unreachable(#[from] EgressError),
    /// An answer that the method does not have.
    #[error("its answer is not that of the method")]
    Unintelligible,
}

impl RemoteError {
    /// Whether the server answered with this error name.
    #[must_use]
    pub fn is_named(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { name, .. } if name == wanted)
    }
}

/// The error of an XRPC answer.
#[derive(Default, Deserialize)]
struct XrpcError {
    #[serde(default)]
    error: String,
    #[serde(default)]
    message: String,
}

/// Makes calls. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Remote {
    http: HttpClient,
}

impl Remote {
    /// A client; in test mode `http://localhost` may be called as well.
    ///
    /// # Errors
    /// No root certificate of the system's store could be loaded.
    pub fn new(test_mode: bool) -> io::Result<Self> {
        let policy = ClientPolicy {
            reach: Reach::Public { localhost: test_mode },
            plain_http: test_mode,
            connect_limit: Duration::from_secs(4),
            idle_connections: 8,
            idle_limit: Duration::from_secs(30),
            buffer_bytes: 64 * 1024,
        };
        Ok(Self { http: HttpClient::new(&policy, system_dns(DNS_THREADS))? })
    }

    /// Calls a method that reads: `url` is that of the method.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn query<T: DeserializeOwned>(
        &self,
        url: &str,
        parameters: &[(&str, &str)],
        token: Option<&str>,
    ) -> Result<T, RemoteError> {
        parse(&judge(self.get(url, parameters, token, LIMITS).await?)?)
    }

    /// The bytes that a method answers, `limit_bytes` at most.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn bytes(
        &self,
        url: &str,
        parameters: &[(&str, &str)],
        limit_bytes: usize,
    ) -> Result<Bytes, RemoteError> {
        let limits = AnswerLimits { body_bytes: limit_bytes, ..LIMITS };
        judge(self.get(url, parameters, None, limits).await?)
    }

    async fn get(
        &self,
        url: &str,
        parameters: &[(&str, &str)],
        token: Option<&str>,
        limits: AnswerLimits,
    ) -> Result<Response<Bytes>, RemoteError> {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let request = with_token(Request::get(format!("{url}?{query}")), token)?;
        let request = request.body(empty_body()).map_err(|error| EgressError::Request(error.to_string()))?;
        Ok(self.http.exchange(request, limits).await?)
    }

    /// Calls a method whose input is bytes of some type.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn upload<T: DeserializeOwned>(
        &self,
        url: &str,
        media_type: &str,
        bytes: Bytes,
        token: &str,
    ) -> Result<T, RemoteError> {
        let request = with_token(Request::post(url), Some(token))?.header(CONTENT_TYPE, media_type);
        let request = request.body(full_body(bytes)).map_err(|error| EgressError::Request(error.to_string()))?;
        parse(&judge(self.http.exchange(request, LIMITS).await?)?)
    }

    /// Sends `length_bytes` to an address that needs nothing else; answers the ETag.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn put_part(&self, url: &str, length_bytes: u64, body: ClientBody) -> Result<String, RemoteError> {
        let request = Request::put(url).header(CONTENT_LENGTH, length_bytes).body(body);
        let request = request.map_err(|error| EgressError::Request(error.to_string()))?;
        let limits = AnswerLimits { time: PART_TIME, body_bytes: PART_ANSWER_BYTES };
        let answer = self.http.exchange(request, limits).await?;
        let etag = answer.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        judge(answer)?;
        etag.ok_or(RemoteError::Unintelligible)
    }

    /// Calls a method that writes.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn procedure<T: DeserializeOwned>(
        &self,
        url: &str,
        input: &impl Serialize,
        token: Option<&str>,
    ) -> Result<T, RemoteError> {
        let request = with_token(Request::post(url), token)?;
        parse(&judge(self.http.exchange_json(request, input, LIMITS).await?)?)
    }

    /// Calls a method without input, whose output matters to nobody.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn bare_procedure(&self, url: &str, token: &str) -> Result<Bytes, RemoteError> {
        let request = with_token(Request::post(url), Some(token))?.body(empty_body());
        let request = request.map_err(|error| EgressError::Request(error.to_string()))?;
        judge(self.http.exchange(request, LIMITS).await?)
    }
}

/// The request with a token that is shown nowhere.
fn with_token(request: Builder, token: Option<&str>) -> Result<Builder, RemoteError> {
    let Some(token) = token else { return Ok(request) };
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| EgressError::Request("a token is no header".into()))?;
    value.set_sensitive(true);
    Ok(request.header(AUTHORIZATION, value))
}

/// The body of an answer that says that it went well.
fn judge(answer: Response<Bytes>) -> Result<Bytes, RemoteError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer.into_body());
    }
    if status.is_redirection()
        && let Some(location) = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok())
    {
        return Err(RemoteError::Redirected(location.to_owned()));
    }
    let XrpcError { error, message } = serde_json::from_slice(answer.body()).unwrap_or_default();
    Err(RemoteError::Refused { status, name: line(&error), message: line(&message) })
}

/// Text of another server in one short line.
fn line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(MAX_MESSAGE_CHARS).collect()
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, RemoteError> {
    serde_json::from_slice(body).map_err(|_| RemoteError::Unintelligible)
}
