//! The handling of every request: its id, its client's rate limit, its response or refusal, its metrics, its log line.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::Method;

use super::client::client_address;
use super::cors;
use super::log::{Line, Why};
use super::metrics::RequestMetrics;
use super::refusal::{Cause, Refusal};
use super::response::pass_unbuffered;
use super::trace::Trace;
use crate::daemon::catch_panic;
use crate::wire::{Rates, Request, Response};

/// The parts of a program that handle every request before its endpoint.
pub struct Front {
    /// Rate limits by address and account.
    pub rates: Rates,
    /// Request metrics.
    pub metrics: RequestMetrics,
    /// Proxies whose X-Forwarded-For is trusted, besides Unix socket peers.
    pub trusted_proxies: Vec<IpAddr>,
}

/// A program that answers requests.
pub trait Program: Send + Sync + 'static {
    /// The error format of the program.
    type Refusal: Refusal;

    /// Returns the rate limits, metrics and trusted proxies.
    fn front(&self) -> &Front;

    /// Returns the time, microseconds since 1970.
    fn now_us(&self) -> u64;

    /// Answers one request, which is not a preflight, and adds to `trace` the facts for the log line.
    ///
    /// # Errors
    /// The refusal, which is sent.
    fn respond(
        self: Arc<Self>,
        request: Request,
        trace: &mut Trace,
    ) -> impl Future<Output = Result<Response, Self::Refusal>> + Send;

    /// Returns the refusal where [`Program::respond`] was not called, or panicked.
    fn refuse(&self, cause: Cause) -> Self::Refusal;
}

/// Answers any request. Never fails: a refusal is a response too, as is the one after a handler's panic.
pub async fn answer<P: Program>(program: Arc<P>, request: Request) -> Response {
    let started = Instant::now();
    let line = Line::of(&request);
    let mut trace = Trace { client: client_address(&request, &program.front().trusted_proxies), ..Trace::default() };
    let outcome = catch_panic(respond(&program, request, &mut trace)).await;
    let outcome = outcome.unwrap_or_else(|message| Err(program.refuse(Cause::Panic(message))));
    let (mut response, why) = match outcome {
        Ok(response) => (response, None),
        Err(mut refusal) => {
            let why = Why { name: refusal.name(), detail: refusal.take_detail() };
            (refusal.into_response(), Some(why))
        }
    };
    line.mark(&mut response);
    cors::open(&mut response);
    pass_unbuffered(&mut response);
    let took = started.elapsed();
    program.front().metrics.count(trace.endpoint.map(|(index, _)| index), &response, took);
    line.write(&response, &trace, why.as_ref(), took);
    response
}

async fn respond<P: Program>(program: &Arc<P>, request: Request, trace: &mut Trace) -> Result<Response, P::Refusal> {
    if let Some(refusal) = request.refusal {
        return Err(program.refuse(Cause::Head(refusal)));
    }
    if !program.front().rates.admit_address(trace.client, program.now_us()) {
        return Err(program.refuse(Cause::RateLimited));
    }
    if request.head.method == Method::OPTIONS {
        return Ok(cors::preflight(&request.head));
    }
    Arc::clone(program).respond(request, trace).await
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_util::sync::CancellationToken;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::daemon::Activity;
    use crate::metrics::{MetricKind, Text};
    use crate::wire::{self, Connection, HttpLimits, Peer};
    use crate::xrpc::{Error, Route, Verbs, response, route};

    /// Answers, or panics.
    struct Example(Front);

    impl Route for &'static str {
        fn path(&self) -> &'static str {
            self
        }

        fn verbs(&self) -> Verbs {
            Verbs::Get
        }
    }

    static TABLE: &[&str] = &["/", PANIC];
    const PANIC: &str = "com.example.panic";

    impl Program for Example {
        type Refusal = Error;

        fn front(&self) -> &Front {
            &self.0
        }

        fn now_us(&self) -> u64 {
            1_800_000_000_000_000
        }

        async fn respond(self: Arc<Self>, request: Request, trace: &mut Trace) -> Result<Response, Error> {
            let (row, endpoint) = route(TABLE, &request.head)?;
            trace.endpoint = Some((row, endpoint));
            assert!(*endpoint != PANIC, "as the test asked");
            Ok(response::json(&"fine"))
        }

        fn refuse(&self, cause: Cause) -> Error {
            match cause {
                Cause::Head(refusal) => refusal.into(),
                Cause::RateLimited => Error::rate_limited(),
                Cause::Panic(message) => {
                    let status = http::StatusCode::INTERNAL_SERVER_ERROR;
                    Error::new(status, "InternalServerError", "it failed").because(message)
                }
            }
        }
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'w> MakeWriter<'w> for Lines {
        type Writer = Self;

        fn make_writer(&'w self) -> Self {
            self.clone()
        }
    }

    /// Returns the response to these bytes, the log and the metrics.
    async fn exchange(bytes: &str) -> (String, String, String) {
        let lines = Lines::default();
        let log = tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false).finish();
        let _guard = tracing::subscriber::set_default(log);
        let metrics = RequestMetrics::new(TABLE.iter().copied());
        let example = Arc::new(Example(Front { rates: Rates::new(0, 0), metrics, trusted_proxies: Vec::new() }));
        let (mut client, io) = tokio::io::duplex(64 * 1024);
        let program = Arc::clone(&example);
        let handler = move |request| answer(Arc::clone(&program), request);
        let (drain, activity) = (CancellationToken::new(), Activity::default());
        let connection = Connection { io, peer: Peer::Unix, drain, activity, files: None };
        let served = tokio::spawn(wire::serve(connection, HttpLimits::default(), handler));
        client.write_all(bytes.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.unwrap();
        served.await.unwrap();
        let mut text = Text::default();
        example.front().metrics.show_requests(&mut text.family("r", MetricKind::Counter, ""));
        let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        (answers, log, text.into_string())
    }

    #[tokio::test]
    async fn a_panic_is_answered_named_counted_and_logged_once() {
        let panic = "GET /xrpc/com.example.panic?secret=1 HTTP/1.1\r\nHost: a\r\n\r\n";
        let next = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let (answers, log, counts) = exchange(&format!("{panic}{next}")).await;
        let (first, second) = answers.split_once("HTTP/1.1 200 OK").expect("the connection goes on");
        assert!(first.starts_with("HTTP/1.1 500 "), "{first}");
        assert!(first.ends_with("\r\n\r\n{\"error\":\"InternalServerError\",\"message\":\"it failed\"}"), "{first}");
        assert!(second.ends_with("\"fine\""), "{second}");
        let (_, id) = first.split_once("x-request-id: ").unwrap();
        let failed: Vec<_> = log.lines().filter(|line| line.contains(&id[..16])).collect();
        assert_eq!(failed.len(), 1, "{log}");
        assert!(failed[0].contains(" ERROR ") && failed[0].contains("GET /xrpc/com.example.panic 500 "), "{log}");
        assert!(failed[0].contains("InternalServerError in ") && failed[0].contains(" ms: as the test asked"), "{log}");
        assert!(!log.contains("secret"), "{log}");
        assert!(counts.contains("r{method=\"com.example.panic\",code=\"500\"} 1\n"), "{counts}");
    }

    #[tokio::test]
    async fn long_paths_are_cut_in_the_log() {
        let get = |path: &str| format!("GET /{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let (answers, log, counts) = exchange(&get(&"x".repeat(8000))).await;
        assert!(answers.starts_with("HTTP/1.1 404 "), "{answers}");
        assert!(log.contains(&format!(" /{}… 404 NotFound in ", "x".repeat(255))) && log.len() < 1200, "{log}");
        assert!(counts.contains("r{method=\"other\",code=\"404\"} 1\n"), "{counts}");
    }
}
