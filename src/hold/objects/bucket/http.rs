//! The HTTP client of the store: one pool of connections, plain hyper with the system's certificates.
//!
//! It knows nothing of S3. object_store brings its credential providers, and gets the same client for them.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};

/// A body on its way out or in.
pub(super) type AnyBody = UnsyncBoxBody<Bytes, Broken>;

/// Why a body did not come whole: the innermost reason, in which no address stands.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(pub(super) String);

/// A store that cannot be connected to within this time counts as unreachable.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Shorter than what stores and their proxies wait before they close an idle connection.
const IDLE_LIMIT: Duration = Duration::from_secs(15);
const IDLE_CONNECTIONS: usize = 32;
/// Bytes a connection may buffer: the memory bill of a body that streams through the hold.
const BUFFER_BYTES: usize = 64 * 1024;
/// What a credential provider of the cloud may take for its whole answer.
const CREDENTIALS_LIMIT: Duration = Duration::from_secs(10);

/// The client; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Http(Client<HttpsConnector<HttpConnector>, AnyBody>);

impl Http {
    /// # Errors
    /// When the system has no certificates.
    pub(super) fn new() -> io::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // Some stores answer small requests after a delayed acknowledgement otherwise.
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_LIMIT));
        // The scheme is the operator's choice, and the cloud's own providers of credentials speak plain http.
        let tls = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_LIMIT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http1_max_buf_size(BUFFER_BYTES)
            .build(tls.wrap_connector(tcp));
        Ok(Self(client))
    }

    /// Sends a request as it is, and waits for the head of the answer without a limit of time.
    ///
    /// # Errors
    /// The innermost reason, in which no address stands.
    pub(super) async fn send(&self, request: Request<AnyBody>) -> Result<Response<AnyBody>, String> {
        let response = self.0.request(request).await.map_err(|error| innermost(&error))?;
        Ok(response.map(any_body))
    }
}

/// Any body as one type.
pub(super) fn any_body<B>(body: B) -> AnyBody
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Error + 'static,
{
    body.map_err(|error| Broken(innermost(&error))).boxed_unsync()
}

/// The innermost reason is the one that helps, and the only one in which no address stands.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut reason = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

impl object_store::client::HttpConnector for Http {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait::async_trait]
impl HttpService for Http {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let failed = |kind, reason: String| HttpError::new(kind, io::Error::other(reason));
        let exchange = async {
            let response = self.send(request.map(any_body)).await?;
            let (head, body) = response.into_parts();
            let bytes = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
            Ok(HttpResponse::from_parts(head, HttpResponseBody::from(bytes)))
        };
        match tokio::time::timeout(CREDENTIALS_LIMIT, exchange).await {
            Ok(outcome) => outcome.map_err(|reason| failed(HttpErrorKind::Connect, reason)),
            Err(_) => Err(failed(HttpErrorKind::Timeout, "it did not answer in time".into())),
        }
    }
}
