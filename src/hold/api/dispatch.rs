//! The dispatch of a request: its endpoint, its permit, its slot, its handler.

use std::sync::Arc;

use http::Method;
use http::request::Parts;

use super::admission::Cost;
use super::blob_access::BlobAccess;
use super::endpoint::{Endpoint, Handler, Reply, Shared, TABLE};
use super::part_access::PartAccess;
use super::paths::BLOBS_PREFIX;
use super::refusal;
use super::request::credentials;
use super::state::ApiState;
use crate::crew::Manager;
use crate::gate::{ReadMethod, SignedRead};
use atproto::syntax::{Did, Digest};
use server::bulkhead::Caller;
use server::wire::{Request, Response};
use server::xrpc::{Cause, Error, Front, Program, Query, Trace, route};

impl Program for ApiState {
    type Refusal = Error;

    fn front(&self) -> &Front {
        &self.front
    }

    fn now_us(&self) -> u64 {
        self.hold.now_us()
    }

    async fn respond(self: Arc<Self>, request: Request, trace: &mut Trace) -> Result<Response, Error> {
        let (row, endpoint) = route(TABLE, &request.head)?;
        trace.endpoint = Some((row, endpoint.path));
        admit_and_handle(self, endpoint, request, trace).await
    }

    fn refuse(&self, cause: Cause) -> Error {
        match cause {
            Cause::Head(refusal) => refusal.into(),
            Cause::RateLimited => Error::rate_limited(),
            Cause::Panic(message) => refusal::internal(format!("the handler panicked: {message}")),
        }
    }
}

/// Gets the permit that the handler takes, then a slot for the request, and calls the handler with both.
async fn admit_and_handle(
    state: Arc<ApiState>,
    endpoint: &'static Endpoint,
    request: Request,
    trace: &mut Trace,
) -> Result<Response, Error> {
    let network = trace.network();
    let with_token = || credentials(&request.head, &network, endpoint.path, state.hold.now_s());
    let mut known = |proven: &Did| {
        trace.caller = Some(proven.clone());
        if state.front.rates.admit_account(proven, state.hold.now_us()) { Ok(()) } else { Err(Error::rate_limited()) }
    };
    let mut is_captain = false;
    let handler: Admitted = match endpoint.handler {
        Handler::Open(handle) => Box::new(handle),
        Handler::Blob(handle) => {
            let access = BlobAccess::of(&state, &request.head, &network).await?;
            access.account().map_or(Ok(()), known)?;
            Box::new(move |state, request| handle(state, access, request))
        }
        Handler::SignedRead(handle) => {
            let signed = signed_read(&state, &request.head)?;
            let permit = state.gate.signed_read(&signed);
            Box::new(move |state, request| handle(state, permit, signed, request))
        }
        Handler::Write(handle) => {
            let permit = state.gate.write(with_token()?).await?;
            known(permit.account())?;
            is_captain = permit.is_captain();
            Box::new(move |state, request| handle(state, permit, request))
        }
        Handler::Part(handle) => {
            let access = PartAccess::of(&state, &request.head, &network).await?;
            known(access.permit.account())?;
            is_captain = access.permit.is_captain();
            Box::new(move |state, request| handle(state, access, request))
        }
        Handler::Account(handle) => {
            let permit = state.gate.account(with_token()?).await?;
            known(permit.account())?;
            is_captain = permit.is_captain();
            Box::new(move |state, request| handle(state, permit, request))
        }
        Handler::Admin(handle) => {
            let (permit, proven) = state.gate.admin(with_token()?).await?;
            known(&proven)?;
            is_captain = matches!(permit.manager(), Manager::Captain);
            Box::new(move |state, request| handle(state, permit, request))
        }
    };
    let caller = trace.caller.clone().map_or(network, Caller::Account);
    let reserves_growth = endpoint.grows && !is_captain;
    handle_in_place(state, endpoint, request, &caller, reserves_growth, handler).await
}

/// A handler that has its permit.
type Admitted = Box<dyn FnOnce(Shared, Request) -> Reply + Send>;

/// Reads a body that goes into memory, waits for a slot, and calls the handler.
async fn handle_in_place(
    state: Arc<ApiState>,
    endpoint: &'static Endpoint,
    mut request: Request,
    caller: &Caller,
    reserves_growth: bool,
    handler: Admitted,
) -> Result<Response, Error> {
    let memory = if endpoint.body_bytes > 0 {
        // Most are small also where large ones are taken: those do not wait for one another.
        let most_bytes = request.body.unread_length().unwrap_or(u64::MAX).min(endpoint.body_bytes);
        let memory = state.admission.enter_body(most_bytes, caller).await.map_err(refusal::overload)?;
        request.body = request.body.buffer(endpoint.body_bytes).await?;
        Some(memory)
    } else {
        None
    };
    let slot = state.admission.enter(endpoint.cost, caller).await.map_err(refusal::overload)?;
    let reservation = if reserves_growth { Some(state.hold.pds.reserve_growth().await?) } else { None };
    // Other requests are many at once and take as long as their sender likes, and write one row each.
    let reservation = reservation.filter(|_| endpoint.cost == Cost::Write);
    let mut response = handler(state, request).await?;
    drop((memory, reservation));
    if endpoint.cost.lasts() {
        // The endpoint reads for as long as the response is sent.
        response.body_mut().attach(slot);
    }
    Ok(response)
}

fn signed_read(state: &ApiState, head: &Parts) -> Result<SignedRead, Error> {
    let digest = head.uri.path().strip_prefix(BLOBS_PREFIX).unwrap_or_default();
    // Some clients escape the colon in a path, which is permitted.
    let digest = digest.replacen("%3A", ":", 1).replacen("%3a", ":", 1);
    let digest = Digest::parse(&digest).map_err(|_| Error::not_found())?;
    let method = if head.method == Method::HEAD { ReadMethod::Head } else { ReadMethod::Get };
    let query = Query::of(head);
    Ok(state.urls.check_read(&digest, method, |name| query.get(name).ok().flatten(), state.hold.now_s())?)
}
