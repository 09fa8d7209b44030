//! A small HTTP client: one connection a call, so that a call sees nothing of the ones before. [`Call`] is for tests with
//! a runtime; [`blocking::Client`] for those that talk to a process, which may be gone at any byte.

pub(crate) mod blocking;

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use atproto::syntax::Digest;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::Digest as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

/// A call that hangs fails its test after this.
const PATIENCE: Duration = Duration::from_secs(120);
/// A body sent without a length goes in pieces of this.
const CHUNK_BYTES: usize = 10_000;

/// A call in the making; [`Call::send`] makes it.
pub(crate) struct Call {
    port: u16,
    method: String,
    target: String,
    headers: HeaderMap,
    body: Bytes,
    chunked: bool,
}

impl Call {
    pub(crate) fn new(port: u16, method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { port, method, target, headers: HeaderMap::new(), body: Bytes::new(), chunked: false }
    }

    /// A call to wherever a URL of this machine leads, with nothing but the URL.
    pub(crate) fn to(method: &str, url: &str) -> Self {
        let url = url::Url::parse(url).unwrap();
        let call = Self::new(url.port().unwrap(), method, &url[url::Position::BeforePath..url::Position::AfterQuery]);
        call.header("host", &url[url::Position::BeforeHost..url::Position::AfterPort])
    }

    /// Adds a header; one that is there already stays.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).unwrap();
        self.headers.append(name, HeaderValue::try_from(value).unwrap());
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(self, input: &Value) -> Self {
        self.header("content-type", "application/json").body(input.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body in chunks, without announcing its length.
    pub(crate) fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.target);
        tokio::time::timeout(PATIENCE, self.exchange()).await.unwrap_or_else(|_| panic!("no answer to {what}"))
    }

    async fn exchange(self) -> Answer {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().method(self.method.as_str()).uri(self.target).body(match self.chunked {
            true => chunks(&self.body),
            false => UnsyncBoxBody::new(Full::new(self.body)),
        });
        let head = request.as_mut().unwrap().headers_mut();
        head.extend(self.headers);
        head.entry("host").or_insert(HeaderValue::try_from(format!("localhost:{}", self.port)).unwrap());
        head.insert("connection", HeaderValue::from_static("close"));
        let (head, body) = sender.send_request(request.unwrap()).await.expect("an answer").into_parts();
        let body = body.collect().await.expect("the whole answer").to_bytes();
        connection.abort();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }
}

fn chunks(body: &Bytes) -> UnsyncBoxBody<Bytes, Infallible> {
    let pieces = body.chunks(CHUNK_BYTES).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))));
    UnsyncBoxBody::new(StreamBody::new(stream::iter(pieces.collect::<Vec<_>>())))
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A header that is there once at most.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} is there twice");
        first
    }

    /// All headers but those that differ between two answers to the same call.
    pub(crate) fn lasting_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.remove("date");
        headers.remove("x-request-id");
        headers
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body, which must be JSON and say so.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A text member of the body, or the empty text.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }

    /// The ETag of a part, as its header has it.
    #[track_caller]
    pub(crate) fn etag(&self) -> String {
        self.header("etag").unwrap().to_owned()
    }

    /// Status and error name, to compare with.
    #[track_caller]
    pub(crate) fn outcome(&self) -> (u16, String) {
        (self.status, if self.status < 400 { String::new() } else { self.field("error") })
    }

    /// The body of a call that must have succeeded.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// That this is exactly this refusal: status, name and message, and the headers that belong to the status.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, name: &str, message: &str) {
        let body = format!(r#"{{"error":"{name}","message":{}}}"#, Value::from(message));
        assert_eq!((self.status, self.text()), (status, body.as_str()));
        self.assert_error(status, name);
    }

    /// That this is a refusal of this status and name, whatever its message.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, name: &str) {
        let body = self.json();
        assert_eq!((self.status, body["error"].as_str()), (status, Some(name)), "{body}");
        assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
        let challenge = match name {
            _ if status != 401 => None,
            "AuthRequired" => Some("Bearer realm=\"atcr-hold\", DPoP realm=\"atcr-hold\", algs=\"ES256\"".to_owned()),
            "invalid_token" | "invalid_dpop_proof" | "use_dpop_nonce" => {
                Some(format!("DPoP realm=\"atcr-hold\", algs=\"ES256\", error=\"{name}\""))
            }
            _ => Some("Bearer realm=\"atcr-hold\"".to_owned()),
        };
        assert_eq!(self.header("www-authenticate"), challenge.as_deref());
        let later = self.header("retry-after").map(|seconds| seconds.parse::<u32>().unwrap() > 0);
        assert_eq!(later, matches!(status, 429 | 503).then_some(true));
    }
}

/// The name of a blob with this content.
pub(crate) fn digest(content: &[u8]) -> Digest {
    Digest::from_bytes(sha2::Sha256::digest(content).into())
}

/// Sends these bytes on a connection of their own, and answers all that comes back until it ends.
pub(crate) async fn raw(port: u16, bytes: impl AsRef<[u8]>) -> String {
    exchange(TcpStream::connect(("127.0.0.1", port)).await.unwrap(), bytes.as_ref()).await
}

/// The same through a socket file.
pub(crate) async fn raw_unix(path: &Path, bytes: impl AsRef<[u8]>) -> String {
    exchange(UnixStream::connect(path).await.unwrap(), bytes.as_ref()).await
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.expect("the end of the connection").unwrap();
    answer
}
