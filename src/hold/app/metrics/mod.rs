//! The metrics' own sockets: `GET /metrics` and nothing else, for whoever can connect. Never on the public ones.

mod page;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::config::Config;
use server::daemon::{self, Accepted, ConnectionLimits, Listener, listeners};
use server::metrics::Text;
use server::wire::{self, HttpLimits, Request, Response, ResponseBody};

pub(super) use page::{Sources, Tasks};

/// Scrapers at once; more wait in the kernel's backlog. A page has about 30 KiB, and all ask for the same one.
const CONNECTIONS: usize = 8;
/// A scraper reads at once: one that takes a page more slowly than this is let go, and so its place.
const PACE: (Duration, u64) = (Duration::from_secs(10), 10 * 1024);
/// An answer on its way may take so long at the end.
const DRAIN: Duration = Duration::from_secs(1);

/// The sockets passed on for metrics, else the one that the configuration names, else none.
pub(super) fn listen(config: &Config, inherited: Vec<Listener>) -> Result<Vec<Listener>, StartError> {
    let Some(address) = config.metrics_addr.as_ref().filter(|_| inherited.is_empty()) else { return Ok(inherited) };
    match listeners::bind(address) {
        Ok(listener) => Ok(vec![listener]),
        Err(error) => Err(StartError::MetricsSocket { address: address.clone(), reason: error.to_string() }),
    }
}

/// Answers scrapers until `shutdown`.
pub(super) async fn serve(sources: Sources, listeners: Vec<Listener>, shutdown: CancellationToken) -> io::Result<()> {
    if listeners.is_empty() {
        return Ok(());
    }
    let sources = Arc::new(sources);
    let limits = HttpLimits { min_rate_window: PACE.0, min_rate_bytes: PACE.1, ..HttpLimits::default() };
    let handle = move |accepted: Accepted| {
        let sources = Arc::clone(&sources);
        let answer = move |request| answer(Arc::clone(&sources), request);
        let Accepted { stream, address, drain, activity } = accepted;
        wire::serve(stream, address.into(), limits, answer, drain, activity)
    };
    daemon::serve(listeners, ConnectionLimits::total(CONNECTIONS), Arc::default(), handle, shutdown, DRAIN)
        .await
        .map(drop)
}

async fn answer(sources: Arc<Sources>, request: Request) -> Response {
    if let Some(refusal) = request.refusal {
        return said(refusal.status, refusal.reason);
    }
    let is_read = matches!(request.head.method, Method::GET | Method::HEAD);
    match request.head.uri.path() {
        "/metrics" if is_read => {
            let mut response = Response::new(ResponseBody::full(sources.page().await));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(Text::MEDIA_TYPE));
            response
        }
        "/metrics" => {
            let mut response = said(StatusCode::METHOD_NOT_ALLOWED, "use GET here");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        }
        _ => said(StatusCode::NOT_FOUND, "there is only /metrics here"),
    }
}

fn said(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(ResponseBody::full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
