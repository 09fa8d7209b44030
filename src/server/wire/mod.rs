//! One connection: HTTP/1.1 by hyper, and the checks, limits and time-outs that hyper lacks.
//!
//! Bytes go `socket → SlowPeerGuard (slow readers) → HeadGuard (heads, framing, silence) → hyper → handler`, and a
//! [`RequestBody`] limits the body that the handler reads. On the way back a [`FileWriter`], innermost, sends files.
//! This room knows no path, method or error name. <https://www.rfc-editor.org/rfc/rfc9112>

mod file_fault;
mod framing;
mod head;
mod head_guard;
mod limits;
mod min_rate;
mod range;
mod rate;
mod request_body;
mod response_body;
mod send_file;
mod send_job;
mod stopwatch;
mod upgrade;
pub mod websocket;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use http::{StatusCode, request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::daemon::{Activity, Address, Busy, catch_panic};

use self::head_guard::HeadGuard;
use self::min_rate::SlowPeerGuard;
use self::upgrade::Switch;

pub use file_fault::FileFault;
pub use head::{HeadRefusal, MAX_HEAD_BYTES, MAX_HEADERS, MAX_TARGET_BYTES};
pub use limits::HttpLimits;
pub use range::RequestedRange;
pub use rate::Rates;
pub use request_body::{BodyFault, RequestBody};
pub use response_body::ResponseBody;
pub use send_file::{FileQueue, FileWriter};
pub use upgrade::{Continuation, Ended, Io, Upgraded};

/// The peer of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP peer.
    Ip(SocketAddr),
    /// A local process that connected to a socket file.
    Unix,
}

impl From<Address> for Peer {
    fn from(address: Address) -> Self {
        match address {
            Address::Tcp(address) => Self::Ip(address),
            Address::Unix => Self::Unix,
        }
    }
}

/// A request whose head was accepted, or a stand-in for one that was refused.
#[derive(Debug)]
pub struct Request {
    /// Method, target, version, headers. When `refusal` is set: `GET /` or `HEAD /`, not what the peer sent.
    pub head: request::Parts,
    /// The body, not read yet.
    pub body: RequestBody,
    /// The peer that sent it.
    pub peer: Peer,
    /// When set, the handler must answer with this refusal. The connection closes after that.
    pub refusal: Option<HeadRefusal>,
}

/// The response of a handler.
pub type Response = http::Response<ResponseBody>;

/// A connection to be served.
pub struct Connection<I> {
    /// Where its bytes are read and written.
    pub io: I,
    /// Who is at its other end.
    pub peer: Peer,
    /// Is cancelled when the program ends.
    pub drain: CancellationToken,
    /// Tracks requests under way.
    pub activity: Activity,
    /// The queue of the [`FileWriter`] below `io`, if there is one.
    pub files: Option<FileQueue>,
}

/// Serves HTTP until the peer, an error, a limit or `drain` ends the connection; closes it then.
///
/// Once `drain` is cancelled, the request in flight is finished and answered, and no other is accepted. A connection
/// without one may send one more. A handler that panics is answered with 500 and no body: one that has an error format
/// catches its panics by [`catch_panic`] itself. After a response that changes the protocol its [`Continuation`] gets
/// the connection and `drain`.
pub async fn serve<I, H, F>(connection: Connection<I>, limits: HttpLimits, handler: H)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let Connection { io, peer, drain, activity, files } = connection;
    let refusal = Arc::new(OnceLock::new());
    let switch = Switch::default();
    let guard =
        HeadGuard::new(SlowPeerGuard::new(io, &limits, files.clone()), &limits, Arc::clone(&refusal), switch.clone());
    let body_ended = Arc::new(AtomicBool::new(true));
    let begun = Arc::new(Notify::new());
    let (next_request, own_activity) = (Arc::clone(&begun), activity.clone());
    let what_follows =
        WhatFollows { body_ended: Arc::clone(&body_ended), drain: drain.clone(), switch: switch.clone(), files };
    let service = service_fn(move |request: http::Request<Incoming>| {
        begun.notify_waiters();
        let busy = activity.busy();
        let (head, incoming) = request.into_parts();
        let body = RequestBody::new(incoming, &limits, Arc::clone(&body_ended));
        let request = Request { head, body, peer, refusal: refusal.get().copied() };
        let (handler, what_follows) = (handler.clone(), what_follows.clone());
        async move {
            let mut response = answer(handler, request).await;
            what_follows.settle(&mut response, busy);
            Ok::<_, Infallible>(response)
        }
        .boxed()
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // The guard's clock counts from a head's first byte; hyper's would count idle time too.
        .header_read_timeout(None)
        // A peer may close its sending half and still wait for the response.
        .half_close(true)
        .max_buf_size(limits.buffer_bytes)
        .serve_connection(TokioIo::new(guard), service);
    let ended = tokio::select! {
        biased;
        () = last_request(&drain, &next_request, &own_activity, limits.drain_idle_time) => None,
        outcome = &mut connection => Some(outcome),
    };
    let outcome = match ended {
        Some(outcome) => outcome,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    match outcome {
        Err(error) if !error.is_parse() => tracing::debug!(%error, "connection broke off"),
        _ => {
            let parts = connection.into_parts();
            end(parts.io.into_inner(), &parts.read_buf, &switch, &limits, drain).await;
        }
    }
}

/// Waits until the connection accepts no further request: `drain` is cancelled, and since then a request has begun, or
/// `idle_time` has passed and none is under way. A client may have sent one that was not read yet, and could not tell from
/// a closed connection whether it was served.
async fn last_request(drain: &CancellationToken, begun: &Notify, activity: &Activity, idle_time: Duration) {
    drain.cancelled().await;
    loop {
        let request = tokio::time::timeout(idle_time, begun.notified()).await;
        // While a response is sent that does not close the connection, its client may send the next request.
        if request.is_ok() || activity.is_idle() {
            return;
        }
    }
}

/// What decides whether a connection takes another request after a response.
#[derive(Clone)]
struct WhatFollows {
    /// Whether the body of the request was read to its end.
    body_ended: Arc<AtomicBool>,
    drain: CancellationToken,
    switch: Switch,
    files: Option<FileQueue>,
}

impl WhatFollows {
    /// Has a response close the connection, or change its protocol, if nothing else may follow. `busy` lasts until the
    /// response is sent, or the new protocol ends.
    fn settle(self, response: &mut Response, busy: Busy) {
        if let Some(continuation) = response.body_mut().take_upgrade() {
            self.switch.throw(continuation, busy);
            return;
        }
        if self.drain.is_cancelled() || !self.body_ended.load(Ordering::Acquire) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        // hyper leaves out the length of an empty body when it answers HEAD.
        if response.body().is_of_no_bytes() {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        response.body_mut().send_on(busy, self.files);
    }
}

/// Runs the new protocol after the last response, if it changed the protocol; then closes the connection.
async fn end<I: Io + 'static>(
    guard: HeadGuard<I>,
    read_by_hyper: &[u8],
    switch: &Switch,
    limits: &HttpLimits,
    drain: CancellationToken,
) {
    let at_rest = guard.is_at_rest();
    let (io, held) = guard.into_parts();
    match switch.take() {
        Some((continuation, _busy)) => {
            let upgraded = Upgraded { io: Box::new(io), early: [read_by_hyper, &held].concat() };
            let Ended { io, at_rest } = continuation(upgraded, drain).await;
            linger(io, at_rest, limits).await;
        }
        None => linger(io, at_rest, limits).await,
    }
}

/// Returns the handler's response, or 500 when it panics.
async fn answer<H, F>(handler: H, request: Request) -> Response
where
    H: Fn(Request) -> F,
    F: Future<Output = Response>,
{
    catch_panic(async move { handler(request).await }).await.unwrap_or_else(|message| {
        tracing::error!("a request handler panicked: {message}");
        let mut response = Response::new(ResponseBody::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// Closes the connection without losing the last response: bytes that arrive at a closed socket would make the kernel
/// reset the connection, and the peer might never read what was sent before. RFC 9112, section 9.6.
async fn linger(mut io: impl AsyncRead + AsyncWrite + Unpin, at_rest: bool, limits: &HttpLimits) {
    let time = if at_rest { limits.linger_at_rest_time } else { limits.linger_time };
    let discard = async {
        io.shutdown().await?;
        let mut scratch = vec![0; 16 * 1024];
        let mut left = limits.linger_bytes;
        while left > 0 {
            match io.read(&mut scratch).await? {
                0 => break,
                count => left = left.saturating_sub(count as u64),
            }
        }
        std::io::Result::Ok(())
    };
    // A time-out and an error mean the same: the peer had its chance.
    let _ = tokio::time::timeout(time, discard).await;
}
