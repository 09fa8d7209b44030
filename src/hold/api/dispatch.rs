//! One request: its id, its endpoint, its permit, its handler, its log line.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderName, HeaderValue,
};
use http::request::Parts;
use http::{Method, StatusCode};
use http_body::Body as _;

use super::admission::{Caller, Cost};
use super::blob_access::BlobAccess;
use super::endpoint::{BLOBS_PREFIX, Endpoint, Handler, Reply, Shared, TABLE};
use super::error::Error;
use super::part_access::PartAccess;
use super::request::{Query, credentials, header};
use super::state::State;
use crate::gate::ReadMethod;
use atproto::syntax::{Did, Digest};
use server::daemon::network_of;
use server::wire::{Peer, Request, Response, ResponseBody};

const XRPC_PREFIX: &str = "/xrpc/";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers any request. Never fails: a refusal is an answer too.
pub async fn answer(state: Arc<State>, request: Request) -> Response {
    let started = Instant::now();
    let line = Line { id: request_id(), method: request.head.method.clone(), path: request.head.uri.path().to_owned() };
    let peer = client_address(&state, &request);
    let mut seen = Seen::default();
    let outcome = respond(&state, request, peer, &mut seen).await;
    let (mut response, error) = match outcome {
        Ok(response) => (response, None),
        Err(mut error) => {
            let told = (error.name, error.detail.take());
            (error.into_response(), Some(told))
        }
    };
    decorate(&mut response, &line);
    state.traffic.count(seen.endpoint, response.status(), started.elapsed());
    line.log(&response, peer, &seen, error, started);
    response
}

async fn respond(
    state: &Arc<State>,
    request: Request,
    peer: Option<IpAddr>,
    seen: &mut Seen,
) -> Result<Response, Error> {
    if let Some(refusal) = request.refusal {
        return Err(Error::refused(refusal.status, refusal.reason));
    }
    if peer.is_some_and(|address| !state.rates.admit_address(address, state.now_us())) {
        return Err(Error::rate_limited());
    }
    if request.head.method == Method::OPTIONS {
        return Ok(preflight());
    }
    let endpoint = route(&request.head)?;
    seen.endpoint = Some(endpoint.path);
    admit_and_handle(Arc::clone(state), endpoint, request, peer, &mut seen.caller).await
}

fn route(head: &Parts) -> Result<&'static Endpoint, Error> {
    let path = head.uri.path();
    let (name, missing): (&str, fn() -> Error) = match path.strip_prefix(XRPC_PREFIX) {
        Some(nsid) if !nsid.starts_with('/') => (nsid, Error::method_not_implemented),
        _ if path.starts_with(BLOBS_PREFIX) => (BLOBS_PREFIX, Error::not_found),
        _ => (path, Error::not_found),
    };
    let endpoint = TABLE.iter().find(|endpoint| endpoint.path == name).ok_or_else(missing)?;
    if endpoint.verbs.allow(&head.method) {
        Ok(endpoint)
    } else {
        Err(Error::method_not_allowed(endpoint.verbs.as_str()))
    }
}

/// Gets the permit that the handler takes, then a place for the request, and hands both over.
async fn admit_and_handle(
    state: Arc<State>,
    endpoint: &'static Endpoint,
    request: Request,
    peer: Option<IpAddr>,
    account: &mut Option<Did>,
) -> Result<Response, Error> {
    let with_token = || credentials(&request.head, endpoint.path, state.now_s());
    let mut known = |proven: &Did| {
        *account = Some(proven.clone());
        if state.rates.admit_account(proven, state.now_us()) { Ok(()) } else { Err(Error::rate_limited()) }
    };
    let handler: Admitted = match endpoint.handler {
        Handler::Open(handle) => Box::new(handle),
        Handler::Blob(handle) => {
            let access = BlobAccess::of(&state, &request.head).await?;
            access.account().map_or(Ok(()), known)?;
            Box::new(move |state, request| handle(state, access, request))
        }
        Handler::SignedRead(handle) => {
            let (digest, proof) = signed_read(&state, &request.head)?;
            let permit = state.gate.signed_read(&proof);
            Box::new(move |state, request| handle(state, permit, digest, request))
        }
        Handler::Write(handle) => {
            let permit = state.gate.write(with_token()?).await?;
            known(permit.account())?;
            Box::new(move |state, request| handle(state, permit, request))
        }
        Handler::Part(handle) => {
            let access = PartAccess::of(&state, &request.head).await?;
            known(access.permit.account())?;
            Box::new(move |state, request| handle(state, access, request))
        }
        Handler::Account(handle) => {
            let permit = state.gate.account(with_token()?).await?;
            known(permit.account())?;
            Box::new(move |state, request| handle(state, permit, request))
        }
        Handler::Admin(handle) => {
            let (permit, proven) = state.gate.admin(with_token()?).await?;
            known(&proven)?;
            Box::new(move |state, request| handle(state, permit, request))
        }
    };
    let caller = match (account.clone(), peer) {
        (Some(account), _) => Caller::Account(account),
        (None, Some(address)) => Caller::Network(network_of(address)),
        (None, None) => Caller::Unknown,
    };
    handle_in_place(state, endpoint, request, &caller, handler).await
}

/// A handler that has its permit.
type Admitted = Box<dyn FnOnce(Shared, Request) -> Reply + Send>;

/// Reads a body that goes into memory, waits for a place, and lets the handler answer.
async fn handle_in_place(
    state: Arc<State>,
    endpoint: &'static Endpoint,
    mut request: Request,
    caller: &Caller,
    handler: Admitted,
) -> Result<Response, Error> {
    let room = if endpoint.body_bytes > 0 {
        let room = state.admission.enter_body(endpoint.body_bytes, caller).await.map_err(Error::overload)?;
        request.body = request.body.buffer(endpoint.body_bytes).await?;
        Some(room)
    } else {
        None
    };
    let place = state.admission.enter(endpoint.cost, caller).await.map_err(Error::overload)?;
    let mut response = handler(state, request).await?;
    drop(room);
    if endpoint.cost == Cost::Export {
        // It reads for as long as the answer is sent.
        response.body_mut().attach(place);
    }
    Ok(response)
}

fn signed_read(state: &State, head: &Parts) -> Result<(Digest, crate::gate::SignedRead), Error> {
    let digest = head.uri.path().strip_prefix(BLOBS_PREFIX).unwrap_or_default();
    let digest = Digest::parse(digest).map_err(|_| Error::not_found())?;
    let method = if head.method == Method::HEAD { ReadMethod::Head } else { ReadMethod::Get };
    let query = Query::of(head);
    let proof = state.urls.check_read(&digest, method, |name| query.get(name).ok().flatten(), state.now_s())?;
    Ok((digest, proof))
}

/// The answer to a browser that asks before it reads. Writes need a token that no browser page should have.
fn preflight() -> Response {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, dpop, range"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

fn decorate(response: &mut Response, line: &Line) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&line.id) {
        headers.insert(REQUEST_ID, id);
    }
    if matches!(line.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        let exposed = HeaderValue::from_static(
            "content-range, docker-content-digest, dpop-nonce, etag, retry-after, www-authenticate, x-request-id",
        );
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

/// The client's address, for limits and the log. A proxy's word is taken only where the operator trusts it.
fn client_address(state: &State, request: &Request) -> Option<IpAddr> {
    let (direct, trusted) = match request.peer {
        Peer::Unix => (None, true),
        Peer::Ip(address) => {
            let ip = address.ip().to_canonical();
            (Some(ip), state.trusted_proxies.contains(&ip))
        }
    };
    if !trusted {
        return direct;
    }
    // The nearest proxy appends the address it saw; what stands before that anyone could have written.
    let forwarded =
        header(&request.head, "x-forwarded-for").and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
    forwarded.or(direct)
}

fn request_id() -> String {
    let mut bytes = [0; 8];
    // Without randomness ids repeat, which hurts nobody but the reader of the log.
    let _ = getrandom::fill(&mut bytes);
    data_encoding::HEXLOWER.encode(&bytes)
}

/// What came to light about a request on its way.
#[derive(Default)]
struct Seen {
    /// The path of the endpoint's row: for a method its NSID.
    endpoint: Option<&'static str>,
    caller: Option<Did>,
}

/// What the log says of a request. The query is left out: it may hold a signature.
struct Line {
    id: String,
    method: Method,
    path: String,
}

impl Line {
    fn log(
        &self,
        response: &Response,
        peer: Option<IpAddr>,
        seen: &Seen,
        error: Option<(&'static str, Option<String>)>,
        started: Instant,
    ) {
        let status = response.status().as_u16();
        let size = response.body().size_hint().exact();
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (error, detail) = error.map_or((None, None), |(name, detail)| (Some(name), detail));
        let peer = peer.map(|peer| peer.to_string());
        let caller = seen.caller.as_ref().map(Did::as_str);
        let nsid = seen.endpoint.filter(|endpoint| !endpoint.starts_with('/'));
        // The handler that knows the blob leaves its digest with the answer.
        let digest = response.extensions().get::<Digest>().map(ToString::to_string);
        let (id, method, path) = (self.id.as_str(), self.method.as_str(), self.path.as_str());
        if let Some(detail) = detail {
            tracing::error!(
                request_id = id,
                method,
                path,
                nsid,
                status,
                error,
                detail,
                peer,
                did = caller,
                duration_ms,
                "failed"
            );
        } else {
            tracing::info!(
                request_id = id,
                method,
                path,
                nsid,
                digest,
                status,
                error,
                size,
                peer,
                did = caller,
                duration_ms,
                "request"
            );
        }
    }
}
