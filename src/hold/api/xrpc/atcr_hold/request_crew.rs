//! `io.atcr.hold.requestCrew`: an account asks to join.

use std::sync::Arc;

use crate::api::error::Error;
use crate::api::request::json_or_default;
use crate::api::response;
use crate::api::state::State;
use crate::gate::AccountPermit;
use atproto::lexicon::{RequestCrew, RequestCrewOutput};
use http::StatusCode;
use server::wire::{Request, Response};

pub(in crate::api) async fn handle(
    state: Arc<State>,
    permit: AccountPermit,
    request: Request,
) -> Result<Response, Error> {
    let input: RequestCrew = json_or_default(request).await?;
    let joined = state.crew.request(permit.account(), &input, state.now_us()).await?;
    let (status, word, message) = if joined.created {
        (StatusCode::CREATED, "created", "welcome aboard")
    } else {
        (StatusCode::OK, "already_member", "the account is a crew member already")
    };
    let output = RequestCrewOutput { status: word, message, uri: joined.uri, cid: joined.cid };
    Ok(response::json_with(status, &output))
}
