//! `com.atproto.sync.subscribeRepos`: the repository's events over WebSocket, stored ones first if a cursor asks for them.

use std::sync::Arc;

use crate::api::refusal;
use crate::api::state::ApiState;
use crate::api::subscribe::session;
use server::wire::websocket::Handshake;
use server::wire::{Request, Response};
use server::xrpc::{Error, Query, client_address};

pub(in crate::api) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    let handshake = Handshake::check(&request.head).map_err(refusal::of_handshake)?;
    let cursor = cursor(&Query::of(&request.head))?;
    let place = state.subscribers.place(client_address(&request, &state.front.trusted_proxies))?;
    // Before the response: a client that has read it misses no later event.
    let events = state.hold.pds.subscribe(cursor).await?;
    Ok(handshake.switch(move |upgraded, drain| {
        Box::pin(async move {
            let ended = session::run(upgraded, events, drain).await;
            drop(place);
            ended
        })
    }))
}

/// Parses the parameter `cursor`, a sequence number: decimal digits.
fn cursor(query: &Query) -> Result<Option<i64>, Error> {
    let Some(text) = query.get("cursor")? else { return Ok(None) };
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number.map(Some).ok_or_else(|| Error::invalid("cursor must be a whole number of 0 or more"))
}
