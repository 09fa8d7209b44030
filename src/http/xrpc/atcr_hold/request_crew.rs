//! `io.atcr.hold.requestCrew`: an account asks to join.

use std::sync::Arc;

use crate::auth::AccountPermit;
use crate::http::connection::{Request, Response};
use crate::http::error::Error;
use crate::http::request::json_or_default;
use crate::http::response;
use crate::http::state::State;
use crate::lexicon::{RequestCrew, RequestCrewOutput};
use http::StatusCode;

pub(in crate::http) async fn handle(
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
