//! The server side of the admin socket: finds the operation of a request, and responds in lines.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, Stream};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::lines::{ARGUMENTS, BYTES, Failure, HEARTBEAT, Line, MAX_REQUEST_BYTES, NDJSON, REPORT_EVERY};
use super::{AdminError, Export, Import, Operation, Progress, Reporter};
use crate::daemon::{self, Accepted, ConnectionLimits, Listener};
use crate::wire::{self, Connection, HttpLimits, Request, Response, ResponseBody};
use atproto::syntax::millis;

/// Concurrent commands; more wait in the kernel's backlog.
const CONNECTIONS: usize = 16;

type Handler<S> = fn(Arc<S>, Request) -> BoxFuture<'static, Response>;

/// One operation of a program's table: its name and its request handler.
pub struct AdminRoute<S> {
    name: &'static str,
    handler: Handler<S>,
}

impl<S: Send + Sync + 'static> AdminRoute<S> {
    /// Returns the route of an operation that returns a result.
    #[must_use]
    pub const fn operation<O: Operation<Subject = S>>() -> Self {
        Self { name: O::NAME, handler: run::<O> }
    }

    /// Returns the route of an operation that returns bytes.
    #[must_use]
    pub const fn export<E: Export<Subject = S>>() -> Self {
        Self { name: E::NAME, handler: export::<E> }
    }

    /// Returns the route of an operation that is sent bytes.
    #[must_use]
    pub const fn import<I: Import<Subject = S>>() -> Self {
        Self { name: I::NAME, handler: import::<I> }
    }
}

/// Serves the admin socket at `listener` until `shutdown`; operations that run then have `drain_for` to end.
///
/// # Errors
/// When the listener cannot be registered with the runtime.
pub async fn serve<S: Send + Sync + 'static>(
    subject: Arc<S>,
    routes: &'static [AdminRoute<S>],
    listener: Listener,
    shutdown: CancellationToken,
    drain_for: Duration,
) -> io::Result<()> {
    let handle = move |accepted: Accepted| {
        let subject = Arc::clone(&subject);
        let answer = move |request| answer(Arc::clone(&subject), routes, request);
        let Accepted { stream, address, drain, activity } = accepted;
        let connection = Connection { io: stream, peer: address.into(), drain, activity, files: None };
        wire::serve(connection, HttpLimits::default(), answer)
    };
    daemon::serve(vec![listener], ConnectionLimits::total(CONNECTIONS), Arc::default(), handle, shutdown, drain_for)
        .await
        .map(drop)
}

async fn answer<S>(subject: Arc<S>, routes: &'static [AdminRoute<S>], request: Request) -> Response {
    if let Some(refusal) = request.refusal {
        return refused(refusal.status, refusal.reason);
    }
    let name = request.head.uri.path().trim_start_matches('/');
    match routes.iter().find(|route| route.name == name) {
        None => refused(StatusCode::NOT_FOUND, "this daemon does not know the operation: is it another version?"),
        Some(_) if request.head.method != Method::POST => {
            refused(StatusCode::METHOD_NOT_ALLOWED, "operations are asked for by POST")
        }
        Some(route) => (route.handler)(subject, request).await,
    }
}

fn run<O: Operation>(subject: Arc<O::Subject>, request: Request) -> BoxFuture<'static, Response> {
    Box::pin(async move {
        match arguments::<O>(request).await {
            Ok(operation) => {
                let (reporter, progress) = Reporter::new();
                in_lines(O::NAME, operation.run(subject, reporter), progress)
            }
            Err(refusal) => refusal,
        }
    })
}

fn export<E: Export>(subject: Arc<E::Subject>, request: Request) -> BoxFuture<'static, Response> {
    Box::pin(async move {
        let operation = match arguments::<E>(request).await {
            Ok(operation) => operation,
            Err(refusal) => return refusal,
        };
        let started = Instant::now();
        match operation.open(subject).await {
            Ok(bytes) => {
                log(E::NAME, started, None);
                with_type(BYTES, ResponseBody::stream(None, bytes))
            }
            Err(error) => {
                log(E::NAME, started, Some(&error));
                refused(StatusCode::CONFLICT, &error.to_string())
            }
        }
    })
}

fn import<I: Import>(subject: Arc<I::Subject>, request: Request) -> BoxFuture<'static, Response> {
    Box::pin(async move {
        let arguments = request.head.headers.get(ARGUMENTS).map_or(&b""[..], |value| value.as_bytes());
        let operation = match serde_json::from_slice::<I>(arguments) {
            Ok(operation) => operation,
            Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let (reporter, progress) = Reporter::new();
        let bytes = request.body.map(|piece| piece.map_err(io::Error::other));
        in_lines(I::NAME, operation.run(Box::pin(bytes), subject, reporter), progress)
    })
}

async fn arguments<T: DeserializeOwned>(request: Request) -> Result<T, Response> {
    let body = request.body.collect(MAX_REQUEST_BYTES).await;
    let body = body.map_err(|fault| refused(StatusCode::BAD_REQUEST, &fault.to_string()))?;
    serde_json::from_slice(&body).map_err(|error| refused(StatusCode::BAD_REQUEST, &error.to_string()))
}

/// Runs `work` while its response is read: progress at intervals, at least a heartbeat, and the outcome as the last
/// line.
fn in_lines<T, F>(name: &'static str, work: F, progress: watch::Receiver<Option<Progress>>) -> Response
where
    T: serde::Serialize + Send + 'static,
    F: Future<Output = Result<T, AdminError>> + Send + 'static,
{
    let work = async move {
        let mut under_way = UnderWay { operation: name, started: Instant::now(), is_done: false };
        let outcome = work.await;
        under_way.is_done = true;
        log(name, under_way.started, outcome.as_ref().err());
        let last = match outcome {
            Ok(output) => Line::Result(output),
            Err(error) => Line::Error(Failure { message: error.to_string() }),
        };
        last.to_bytes()
    };
    with_type(NDJSON, ResponseBody::stream(None, lines(Box::pin(work), progress)))
}

/// An operation, as the future of the last line of its response.
type Work = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

fn lines(work: Work, progress: watch::Receiver<Option<Progress>>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(Some((work, progress)), |state| async move {
        let (mut work, mut progress) = state?;
        tokio::select! {
            biased;
            last = &mut work => Some((Ok(last.into()), None)),
            newest = news(&mut progress) => {
                let line = Line::<()>::Progress(newest);
                Some((Ok(line.to_bytes().into()), Some((work, progress))))
            }
        }
    })
}

/// Returns the next progress to send, after [`REPORT_EVERY`] at the earliest and [`HEARTBEAT`] later at the latest.
async fn news(progress: &mut watch::Receiver<Option<Progress>>) -> Option<Progress> {
    tokio::time::sleep(REPORT_EVERY).await;
    let word = async {
        if progress.changed().await.is_err() {
            // The operation reports nothing more; its outcome follows.
            std::future::pending::<()>().await;
        }
    };
    // Without a new report in time the last one is repeated.
    let _ = tokio::time::timeout(HEARTBEAT, word).await;
    progress.borrow_and_update().clone()
}

/// An operation under way. Dropped before its end, it logs that.
struct UnderWay {
    operation: &'static str,
    started: Instant,
    is_done: bool,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.is_done {
            let (operation, duration_ms) = (self.operation, millis(self.started.elapsed()));
            tracing::warn!(
                operation,
                duration_ms,
                "admin operation cut off: {operation}: its command went away, or the daemon stops"
            );
        }
    }
}

fn log(operation: &'static str, started: Instant, error: Option<&AdminError>) {
    let duration_ms = millis(started.elapsed());
    match error {
        None => tracing::info!(operation, duration_ms, "admin operation finished: {operation}"),
        Some(error) => {
            tracing::warn!(operation, error = %error, duration_ms, "admin operation failed: {operation}: {error}");
        }
    }
}

/// Returns a response without any work: one error line.
fn refused(status: StatusCode, message: &str) -> Response {
    let line = Line::<()>::Error(Failure { message: message.to_owned() });
    let mut response = with_type(NDJSON, ResponseBody::full(line.to_bytes()));
    *response.status_mut() = status;
    response
}

fn with_type(kind: &'static str, body: ResponseBody) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lines_come_now_and_then_and_the_outcome_last() {
        let (reporter, progress) = Reporter::new();
        let work = async move {
            for done in 0..1000 {
                reporter.report(Progress { done, total: Some(1000), unit: "blobs".into() });
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            drop(reporter);
            tokio::time::sleep(HEARTBEAT * 3).await;
            Line::Result("done").to_bytes()
        };
        let lines: Vec<_> = lines(Box::pin(work), progress).map(|line| line.unwrap()).collect().await;
        // One each tenth of a second, and then one each heartbeat.
        assert!((10..=14).contains(&lines.len()), "{} lines", lines.len());
        let (last, before) = lines.split_last().unwrap();
        assert_eq!(last.as_ref(), b"{\"result\":\"done\"}\n");
        for line in before {
            assert!(line.starts_with(b"{\"progress\":{\"done\":") && line.ends_with(b"\"unit\":\"blobs\"}}\n"));
        }
        assert_eq!(before[before.len() - 1], before[before.len() - 2], "a heartbeat repeats the last word");
    }
}
