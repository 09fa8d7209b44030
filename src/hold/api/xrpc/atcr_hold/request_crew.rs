//! `io.atcr.hold.requestCrew`: an account joins the crew.

use std::sync::Arc;

use crate::api::state::ApiState;
use crate::gate::AccountPermit;
use atproto::lexicon::{CrewOutcome, RequestCrew, RequestCrewOutput};
use http::StatusCode;
use server::wire::{Request, Response};
use server::xrpc::{Error, json_or_default, response};

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    permit: AccountPermit,
    request: Request,
) -> Result<Response, Error> {
    let input: RequestCrew = json_or_default(request).await?;
    let joined = state.hold.crew.request(permit.account(), &input, state.hold.now_us()).await?;
    let (code, status, message) = if joined.created {
        (StatusCode::CREATED, CrewOutcome::Created, "welcome aboard")
    } else {
        (StatusCode::OK, CrewOutcome::AlreadyMember, "the account is a crew member already")
    };
    let output = RequestCrewOutput { status, message: message.into(), uri: joined.uri, cid: joined.cid };
    Ok(response::json_with(code, &output))
}
