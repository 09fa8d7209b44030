//! One request to a relay. The operator chose the relays, so their addresses are not questioned.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use atproto::lexicon::nsid;

/// From the look-up of the name to the head of the answer. A relay may call the hold back before it answers.
const TIME_LIMIT: Duration = Duration::from_secs(30);
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Why a relay did not take the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("it did not answer within {} s", TIME_LIMIT.as_secs())]
    Silent,
}

/// Asks relays.
pub(super) struct Client {
    http: HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Client {
    pub(super) fn new(plain_http: bool) -> io::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let tls = HttpsConnectorBuilder::new().with_native_roots()?;
        let schemes = if plain_http { tls.https_or_http() } else { tls.https_only() };
        let http = HttpClient::builder(TokioExecutor::new())
            // Requests are minutes apart.
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(MAX_HEAD_BYTES)
            .build(schemes.enable_http1().wrap_connector(tcp));
        Ok(Self { http })
    }

    /// Asks `relay` (its base URL) to crawl the host. The body of its answer is not read.
    pub(super) async fn request_crawl(&self, relay: &str, hostname: &str) -> Result<(), Refusal> {
        let body = serde_json::json!({ "hostname": hostname }).to_string();
        let request = Request::post(format!("{relay}/xrpc/{}", nsid::REQUEST_CRAWL))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .map_err(|error| Refusal::Unreachable(error.to_string()))?;
        let answer = tokio::time::timeout(TIME_LIMIT, self.http.request(request)).await;
        match answer.map_err(|_| Refusal::Silent)? {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(Refusal::Status(response.status())),
            Err(error) => Err(Refusal::Unreachable(cause(&error))),
        }
    }
}

/// The innermost reason, which is the one that helps: "connection refused", not "client error".
fn cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
