//! One request to the store: signed, sent, and retried while the fault is transient.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full, Limited};
use object_store::client::HttpRequestBody;
use sha2::{Digest as _, Sha256};

use super::fault::Fault;
use super::http::Http;
use super::signer::Signer;
use super::{clock, fault};
use server::egress::{ClientBody, boxed_body, root_cause};
use server::metrics::Counter;

/// Waits before a request is sent a second and a third time.
const BACKOFF: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];
/// Time limit of one attempt. With the waits, a caller learns of an outage after half a minute.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit of one attempt at work that grows with the object: completing and copying.
pub(super) const LONG_TIMEOUT: Duration = Duration::from_secs(300);
/// Most bytes of a response. A page of 1,000 entries has less than half of it.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// A request that is not signed yet.
pub(super) struct Call {
    method: Method,
    /// The key without the prefix; `None` for the bucket itself.
    key: Option<String>,
    query: Vec<(&'static str, String)>,
    /// `None` once a value was not valid in a header. Such a call fails and is never sent: a condition would be
    /// missing.
    headers: Option<HeaderMap>,
    body: Bytes,
    timeout: Duration,
}

impl Call {
    pub(super) fn on(method: Method, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..Self::on_bucket(method) }
    }

    pub(super) fn on_bucket(method: Method) -> Self {
        let (query, headers) = (Vec::new(), Some(HeaderMap::new()));
        Self { method, key: None, query, headers, body: Bytes::new(), timeout: TIMEOUT }
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn queries(self, parameters: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        parameters.into_iter().fold(self, |call, (name, value)| call.query(name, value))
    }

    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers = self.headers.zip(HeaderValue::from_str(value).ok()).map(|(mut headers, value)| {
            headers.insert(name, value);
            headers
        });
        self
    }

    fn headers(&self) -> Result<HeaderMap, Fault> {
        self.headers.clone().ok_or(Fault::InvalidResponse("a value of it cannot be sent"))
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// A client that sends signed requests to one bucket.
pub(super) struct Client {
    pub(super) http: Http,
    pub(super) signer: Signer,
    /// The signer of URLs, if clients reach the store at another address than the hold.
    pub(super) url_signer: Option<Signer>,
    /// The bucket's URL without a trailing slash.
    pub(super) bucket_url: String,
    pub(super) bucket: String,
    /// The prefix of all keys: empty, or ends in a slash.
    pub(super) prefix: String,
    pub(super) requests: BucketRequests,
}

/// Counters of the requests to a bucket.
#[derive(Debug, Default)]
pub struct BucketRequests {
    /// Requests sent, counting each attempt.
    pub sent: Counter,
    /// Requests sent again.
    pub retries: Counter,
    /// Requests that failed, counting each attempt. A missing object is not a failure.
    pub failures: Counter,
}

impl Client {
    /// Sends a call and retries it while the fault is transient. Returns the head of the response with the whole body.
    pub(super) async fn exchange(&self, call: &Call) -> Result<Response<Bytes>, Fault> {
        let mut pauses = BACKOFF.into_iter();
        loop {
            let fault = match self.exchange_once(call).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            match pauses.next() {
                Some(pause) if fault.is_transient() => self.back_off(pause).await,
                _ => return Err(fault),
            }
        }
    }

    /// Sends a call once. Returns the head of the response with the whole body.
    pub(super) async fn exchange_once(&self, call: &Call) -> Result<Response<Bytes>, Fault> {
        let exchange = async {
            let (head, body) = self.send(call).await?.into_parts();
            let body = collect(body).await?;
            // CompleteMultipartUpload and copies begin the response before they know the outcome.
            match fault::error_code(&body) {
                Some(code) => Err(Fault::Answered { status: StatusCode::INTERNAL_SERVER_ERROR, code }),
                None => Ok(Response::from_parts(head, body)),
            }
        };
        tokio::time::timeout(call.timeout, exchange).await.unwrap_or_else(|_| Err(too_slow()))
    }

    /// Sends a call, retried as by [`Client::exchange`]. Returns as soon as the head of a successful response is there,
    /// without the body.
    pub(super) async fn open(&self, call: &Call) -> Result<Response<ClientBody>, Fault> {
        let mut pauses = BACKOFF.into_iter();
        loop {
            let sent = tokio::time::timeout(call.timeout, self.send(call)).await;
            let fault = match sent.unwrap_or_else(|_| Err(too_slow())) {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            match pauses.next() {
                Some(pause) if fault.is_transient() => self.back_off(pause).await,
                _ => return Err(fault),
            }
        }
    }

    async fn send(&self, call: &Call) -> Result<Response<ClientBody>, Fault> {
        let mut headers = call.headers()?;
        if !matches!(call.method, Method::GET | Method::HEAD | Method::DELETE) {
            headers.insert(CONTENT_LENGTH, call.body.len().into());
        }
        let hash = Sha256::digest(&call.body);
        let head = self.sign(call, headers, Some(&hash)).await?;
        let body =
            if call.body.is_empty() { boxed_body(Empty::new()) } else { boxed_body(Full::from(call.body.clone())) };
        self.deliver(Request::from_parts(head, body)).await
    }

    /// Sends a body of `length` bytes, once: it can be read only once.
    pub(super) async fn stream(
        &self,
        call: &Call,
        length: u64,
        body: ClientBody,
    ) -> Result<Response<ClientBody>, Fault> {
        let mut headers = call.headers()?;
        headers.insert(CONTENT_LENGTH, length.into());
        let head = self.sign(call, headers, None).await?;
        self.deliver(Request::from_parts(head, body)).await
    }

    /// Waits before a request is sent again.
    async fn back_off(&self, pause: Duration) {
        self.requests.retries.inc();
        tokio::time::sleep(pause).await;
    }

    async fn deliver(&self, request: Request<ClientBody>) -> Result<Response<ClientBody>, Fault> {
        self.requests.sent.inc();
        let answer = self.answer_to(request).await;
        if answer.as_ref().is_err_and(|fault| !fault.is_missing()) {
            self.requests.failures.inc();
        }
        answer
    }

    async fn answer_to(&self, request: Request<ClientBody>) -> Result<Response<ClientBody>, Fault> {
        let (signed_s, sent) = (clock::signed_s(request.headers()), Instant::now());
        let answer = self.http.send(request).await.map_err(Fault::NoAnswer)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let own_s = signed_s.and_then(|signed_s| signed_s.checked_add_unsigned(sent.elapsed().as_secs()));
        let clocks = own_s.zip(clock::answered_s(answer.headers()));
        if matches!(status, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN)
            && clocks.is_some_and(|(own_s, store_s)| clock::is_too_far(own_s, store_s))
        {
            return Err(Fault::skewed());
        }
        // An error whose body does not arrive is still that error.
        let body = collect(answer.into_body()).await.unwrap_or_default();
        Err(Fault::answered(status, &body))
    }

    /// Returns the head of a request with its signature; without `body_hash` the body is not signed.
    async fn sign(
        &self,
        call: &Call,
        headers: HeaderMap,
        body_hash: Option<&[u8]>,
    ) -> Result<http::request::Parts, Fault> {
        let mut request = Request::new(HttpRequestBody::empty());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = self.url(call).parse().map_err(|_| Fault::InvalidResponse("its address is not a URL"))?;
        *request.headers_mut() = headers;
        self.signer.sign(&mut request, body_hash).await?;
        Ok(request.into_parts().0)
    }

    /// Returns the URL of a call, unsigned.
    pub(super) fn url(&self, call: &Call) -> String {
        let mut url = self.bucket_url.clone();
        if let Some(key) = &call.key {
            url.push('/');
            encode(&self.prefix, true, &mut url);
            encode(key, true, &mut url);
        } else if !url[url.find("://").map_or(0, |at| at + 3)..].contains('/') {
            url.push('/');
        }
        for (index, (name, value)) in call.query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            encode(name, false, &mut url);
            url.push('=');
            encode(value, false, &mut url);
        }
        url
    }
}

/// Appends `text` in the strict percent-encoding that signatures use: only unreserved characters stay, and slashes in a
/// path.
pub(super) fn encode(text: &str, is_path: bool, target: &mut String) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (is_path && byte == b'/') {
            target.push(char::from(byte));
        } else {
            target.extend(['%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

async fn collect(body: ClientBody) -> Result<Bytes, Fault> {
    let whole = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
    whole.map(http_body_util::Collected::to_bytes).map_err(|error| Fault::NoAnswer(root_cause(&*error)))
}

fn too_slow() -> Fault {
    Fault::NoAnswer("it did not answer in time".into())
}
