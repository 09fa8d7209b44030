//! The sockets for metrics: `GET /metrics` and nothing else, without authentication. Metrics are never on the public
//! sockets.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::daemon::{self, Accepted, ConnectionLimits, Listener, listeners};
use crate::metrics::Text;
use crate::wire::{self, Connection, HttpLimits, Request, Response, ResponseBody};

/// Concurrent scrapers; more wait in the kernel's backlog. A page has about 30 KiB, and all request the same one.
const CONNECTIONS: usize = 8;
/// Minimum throughput: a scraper that reads a page more slowly is disconnected.
const MIN_RATE: (Duration, u64) = (Duration::from_secs(10), 10 * 1024);
/// Time-out of responses under way at shutdown.
const DRAIN: Duration = Duration::from_secs(1);

/// Returns the inherited sockets for metrics, else one that listens on `address`, else none.
///
/// # Errors
/// As [`listeners::bind`].
pub fn metrics_listeners(address: Option<&str>, inherited: Vec<Listener>) -> io::Result<Vec<Listener>> {
    match address {
        Some(address) if inherited.is_empty() => Ok(vec![listeners::bind(address)?]),
        _ => Ok(inherited),
    }
}

/// Serves metrics until `shutdown`, each time a page made by `page`.
///
/// # Errors
/// When a listener cannot be registered with the runtime.
pub async fn serve_metrics<P, F>(page: P, listeners: Vec<Listener>, shutdown: CancellationToken) -> io::Result<()>
where
    P: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = String> + Send + 'static,
{
    if listeners.is_empty() {
        return Ok(());
    }
    let page = Arc::new(page);
    let limits = HttpLimits { min_rate_window: MIN_RATE.0, min_rate_bytes: MIN_RATE.1, ..HttpLimits::default() };
    let handle = move |accepted: Accepted| {
        let page = Arc::clone(&page);
        let answer = move |request| answer(Arc::clone(&page), request);
        let Accepted { stream, address, drain, activity } = accepted;
        let connection = Connection { io: stream, peer: address.into(), drain, activity, files: None };
        wire::serve(connection, limits, answer)
    };
    daemon::serve(listeners, ConnectionLimits::total(CONNECTIONS), Arc::default(), handle, shutdown, DRAIN)
        .await
        .map(drop)
}

async fn answer<P, F>(page: Arc<P>, request: Request) -> Response
where
    P: Fn() -> F,
    F: Future<Output = String>,
{
    if let Some(refusal) = request.refusal {
        return plain(refusal.status, refusal.reason);
    }
    let is_read = matches!(request.head.method, Method::GET | Method::HEAD);
    match request.head.uri.path() {
        "/metrics" if is_read => {
            let mut response = Response::new(ResponseBody::full(page().await));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(Text::MEDIA_TYPE));
            response
        }
        "/metrics" => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET here");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        }
        _ => plain(StatusCode::NOT_FOUND, "there is only /metrics here"),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(ResponseBody::full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
