//! HTTP client for PDSes, authorization servers and holds, whose addresses are chosen by strangers.
//!
//! It is a client of `server::egress` that reaches the public internet only, follows no redirect but one of a stream,
//! and limits the time and the bytes of each response. For a DPoP-bound token it makes the proof, and repeats a request
//! once with the nonce that the server requires.

mod credential;
mod proofs;
mod stream;

use std::io;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, LOCATION};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use server::egress::{
    AnswerLimits, ClientBody, ClientPolicy, EgressError, HttpClient, Reach, full_body, retry_after, system_dns,
};
use server::json;

use atproto::keys::P256Key;
use atproto::lexicon::error as name;
use proofs::{DPOP, Proofs};

pub use credential::{AccessToken, BoundToken, Credential, MAX_TOKEN_BYTES, is_token};

const LIMITS: AnswerLimits = AnswerLimits {
    // Enough for 5 MiB to a PDS at 100 KiB/s.
    time: Duration::from_secs(60),
    // A record has at most 1,000,000 bytes as DAG-CBOR, some more as JSON.
    body_bytes: 4 * 1024 * 1024,
};
/// Time limit of a query: the client waits for it, behind a proxy that gives up after 60 s.
const READ_TIME: Duration = Duration::from_secs(20);
/// Time limit of a query that returns bytes: 5 MiB at 200 KiB/s.
const BYTES_TIME: Duration = Duration::from_secs(30);
/// Time limit of a procedure: a PDS takes 0.4 s to check a password.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// Limits of metadata documents and of OAuth forms. An authorization server may fetch our client metadata before it
/// answers.
const DOCUMENT_LIMITS: AnswerLimits = AnswerLimits { time: Duration::from_secs(30), body_bytes: 128 * 1024 };
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
/// Longest response body to a part, which may have its ETag as JSON.
const PART_ANSWER_BYTES: usize = 64 * 1024;
/// Time limit of a part: enough for 16 MiB from a client at 16 KiB/s. The caller that feeds the body limits each wait.
const PART_TIME: Duration = Duration::from_secs(20 * 60);
/// Threads for DNS look-ups of names that strangers chose.
const DNS_THREADS: usize = 8;
/// Longest message of another server; longer ones are cut.
const MAX_MESSAGE_CHARS: usize = 300;

/// Errors of a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// The server answered with an error status.
    #[error("it answered {status} {name}: {message}")]
    Refused {
        /// The status of the response.
        status: StatusCode,
        /// The `error` of the body; empty when the body has none.
        name: String,
        /// The `message` or `error_description` of the body, for people.
        message: String,
        /// The time for which the server takes nothing, if it says so.
        retry_after: Option<Duration>,
    },
    /// The server answered with a redirect to this `Location`, which was not followed.
    #[error("it answered with a redirect")]
    Redirected(String),
    /// No response was received.
    #[error("it cannot be reached: {0}")]
    Unreachable(#[from] EgressError),
    /// The response does not have the form that the method defines.
    #[error("its answer is not that of the method")]
    Unintelligible,
}

impl RemoteError {
    /// Whether nothing was sent: the request is invalid, or no connection was made.
    #[must_use]
    pub fn was_not_sent(&self) -> bool {
        use EgressError as E;
        matches!(
            self,
            Self::Unreachable(
                E::Request(_)
                    | E::NotPublic
                    | E::NameLookUp(_)
                    | E::NoSuchName(_)
                    | E::Forbidden(_)
                    | E::Connect(_)
                    | E::NoTime
            )
        )
    }

    /// Whether the server did nothing: it refused the request, or nothing was sent.
    #[must_use]
    pub fn did_nothing(&self) -> bool {
        match self {
            // Of 408 it is not known whether the request had come.
            Self::Refused { status, .. } => status.is_client_error() && *status != StatusCode::REQUEST_TIMEOUT,
            error => error.was_not_sent(),
        }
    }

    /// Whether the answer is that of a proxy whose server is down: a server of atproto names its errors.
    #[must_use]
    pub fn is_of_a_proxy(&self) -> bool {
        use StatusCode as S;
        matches!(
            self,
            Self::Refused { status: S::NOT_FOUND | S::METHOD_NOT_ALLOWED | S::REQUEST_TIMEOUT, name, .. } if name.is_empty()
        )
    }

    /// Whether another server might answer differently, because this one does not answer or does not serve the account:
    /// every error but `RecordNotFound` and `InvalidSwap`.
    #[must_use]
    pub fn may_be_elsewhere(&self) -> bool {
        !self.is_named(name::RECORD_NOT_FOUND) && !self.is_named(name::INVALID_SWAP)
    }

    /// Returns the time for which the server takes nothing, as it said; the caller bounds it.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the server answered with this error name.
    #[must_use]
    pub fn is_named(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { name, .. } if name == wanted)
    }
}

/// The body of an XRPC error or of an OAuth error.
#[derive(Default, Deserialize)]
struct XrpcError {
    #[serde(default)]
    error: String,
    #[serde(default, alias = "error_description")]
    message: String,
}

/// A request that can be sent again.
struct Call<'c> {
    method: Method,
    url: String,
    content_type: Option<&'c str>,
    body: Bytes,
    credential: Credential<'c>,
    limits: AnswerLimits,
}

/// The HTTP client. Clones share its connections and the DPoP nonces of servers.
#[derive(Clone)]
pub struct Remote {
    http: HttpClient,
    proofs: Proofs,
    /// Returns microseconds since 1970.
    clock: fn() -> u64,
}

impl Remote {
    /// Returns a client; in test mode `http://localhost` may be called as well. `clock` returns microseconds since
    /// 1970, `random` is `None` when the system has no random numbers.
    ///
    /// # Errors
    /// No root certificate of the system's store could be loaded.
    pub fn new(test_mode: bool, clock: fn() -> u64, random: fn() -> Option<[u8; 32]>) -> io::Result<Self> {
        let policy = ClientPolicy {
            reach: Reach::Public { localhost: test_mode },
            plain_http: test_mode,
            connect_limit: Duration::from_secs(4),
            idle_connections: 8,
            idle_limit: Duration::from_secs(30),
            buffer_bytes: 64 * 1024,
        };
        let http = HttpClient::new(&policy, system_dns(DNS_THREADS))?;
        Ok(Self { http, proofs: Proofs::new(clock, random), clock })
    }

    /// Calls an XRPC query at the method's `url`.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn query<'c, T: DeserializeOwned>(
        &self,
        url: &str,
        parameters: &[(&str, &str)],
        credential: impl Into<Credential<'c>>,
    ) -> Result<T, RemoteError> {
        let limits = AnswerLimits { time: READ_TIME, ..LIMITS };
        parse(&self.get(with_query(url, parameters), credential.into(), limits).await?)
    }

    /// Calls an XRPC query that returns bytes, `limit_bytes` at most, without a credential.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn bytes(
        &self,
        url: &str,
        parameters: &[(&str, &str)],
        limit_bytes: usize,
    ) -> Result<Bytes, RemoteError> {
        let limits = AnswerLimits { time: BYTES_TIME, body_bytes: limit_bytes };
        self.get(with_query(url, parameters), Credential::None, limits).await
    }

    /// Fetches a small public JSON document.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn document<T: DeserializeOwned>(&self, url: &str) -> Result<T, RemoteError> {
        parse(&self.get(url.to_owned(), Credential::None, DOCUMENT_LIMITS).await?)
    }

    async fn get(&self, url: String, credential: Credential<'_>, limits: AnswerLimits) -> Result<Bytes, RemoteError> {
        self.call(Call { method: Method::GET, url, content_type: None, body: Bytes::new(), credential, limits }).await
    }

    /// Calls an XRPC procedure whose input is bytes of this media type.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn upload<'c, T: DeserializeOwned>(
        &self,
        url: &str,
        media_type: &str,
        bytes: Bytes,
        credential: impl Into<Credential<'c>>,
    ) -> Result<T, RemoteError> {
        parse(&self.post(url, Some(media_type), bytes, credential.into(), LIMITS).await?)
    }

    /// Calls an XRPC procedure.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn procedure<'c, T: DeserializeOwned>(
        &self,
        url: &str,
        input: &impl Serialize,
        credential: impl Into<Credential<'c>>,
    ) -> Result<T, RemoteError> {
        self.patient_procedure(url, input, credential, WRITE_TIME).await
    }

    /// Calls an XRPC procedure with the time limit `time`.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn patient_procedure<'c, T: DeserializeOwned>(
        &self,
        url: &str,
        input: &impl Serialize,
        credential: impl Into<Credential<'c>>,
        time: Duration,
    ) -> Result<T, RemoteError> {
        let input = serde_json::to_vec(input).map_err(|error| EgressError::Request(error.to_string()))?;
        let limits = AnswerLimits { time, ..LIMITS };
        parse(&self.post(url, Some(JSON), input.into(), credential.into(), limits).await?)
    }

    /// Sends a form to an OAuth endpoint, with a DPoP proof of `key`.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn form<T: DeserializeOwned>(
        &self,
        url: &str,
        fields: &[(&str, &str)],
        key: &P256Key,
    ) -> Result<T, RemoteError> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        parse(&self.post(url, Some(FORM), body.into(), Credential::Key(key), DOCUMENT_LIMITS).await?)
    }

    /// Calls an XRPC procedure without input; returns the body of its response unparsed.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn bare_procedure(&self, url: &str, token: &str) -> Result<Bytes, RemoteError> {
        self.post(url, None, Bytes::new(), Credential::Bearer(token), LIMITS).await
    }

    async fn post(
        &self,
        url: &str,
        content_type: Option<&str>,
        body: Bytes,
        credential: Credential<'_>,
        limits: AnswerLimits,
    ) -> Result<Bytes, RemoteError> {
        let (method, url) = (Method::POST, url.to_owned());
        self.call(Call { method, url, content_type, body, credential, limits }).await
    }

    /// Sends a part by `PUT` to a URL that needs no credential, with a `Content-Length` if one is given. Returns the
    /// ETag.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn put_part(
        &self,
        url: &str,
        length_bytes: Option<u64>,
        body: ClientBody,
    ) -> Result<String, RemoteError> {
        let mut request = Request::put(url);
        if let Some(length_bytes) = length_bytes {
            request = request.header(CONTENT_LENGTH, length_bytes);
        }
        let request = request.body(body).map_err(|error| EgressError::Request(error.to_string()))?;
        let limits = AnswerLimits { time: PART_TIME, body_bytes: PART_ANSWER_BYTES };
        let answer = self.http.exchange(request, limits).await?;
        let etag = answer.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        self.judge(answer)?;
        etag.ok_or(RemoteError::Unintelligible)
    }

    /// Sends a request, and repeats it once when the server requires its nonce in the proof.
    async fn call(&self, call: Call<'_>) -> Result<Bytes, RemoteError> {
        let uri: Uri = call.url.parse().map_err(|_| EgressError::Request("it is no URL".into()))?;
        let mut answer = self.send(&call, &uri).await?;
        if call.credential.proven().is_some() && self.proofs.observe(&uri, &answer) {
            answer = self.send(&call, &uri).await?;
            self.proofs.observe(&uri, &answer);
        }
        self.judge(answer)
    }

    async fn send(&self, call: &Call<'_>, uri: &Uri) -> Result<Response<Bytes>, RemoteError> {
        let mut request = Request::builder().method(&call.method).uri(uri).header(ACCEPT, "*/*");
        if let Some(content_type) = call.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(authorization) = call.credential.authorization() {
            let value = HeaderValue::try_from(authorization);
            let mut value = value.map_err(|_| EgressError::Request("a token is no header".into()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(proven) = call.credential.proven() {
            request = request.header(DPOP, self.proofs.make(proven, call.method.as_str(), uri)?);
        }
        let request = request.body(full_body(call.body.clone()));
        let request = request.map_err(|error| EgressError::Request(error.to_string()))?;
        Ok(self.http.exchange(request, call.limits).await?)
    }

    /// Returns the body of a successful response, else its error.
    fn judge(&self, answer: Response<Bytes>) -> Result<Bytes, RemoteError> {
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
        let retry_after = self.retry_after(status, answer.headers());
        Err(RemoteError::Refused { status, name: line(&error), message: line(&message), retry_after })
    }

    fn retry_after(&self, status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
        retry_after(status, headers, SystemTime::UNIX_EPOCH + Duration::from_micros((self.clock)()))
    }
}

fn with_query(url: &str, parameters: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{url}?{query}")
}

/// Returns text of another server as one line of [`MAX_MESSAGE_CHARS`] at most.
fn line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(MAX_MESSAGE_CHARS).collect()
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, RemoteError> {
    json::parse(body).map_err(|_| RemoteError::Unintelligible)
}
