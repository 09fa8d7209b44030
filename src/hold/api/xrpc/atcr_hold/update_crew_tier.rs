//! `io.atcr.hold.updateCrewTier`: a registry front end changes the tier of a member.

use std::sync::Arc;

use http::StatusCode;

use crate::api::refusal;
use crate::api::state::ApiState;
use crate::gate::AccountPermit;
use atproto::lexicon::{TierName, UpdateCrewTier, error};
use server::wire::{Request, Response};
use server::xrpc::{Error, JSON_BYTES, json, response};

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    permit: AccountPermit,
    request: Request,
) -> Result<Response, Error> {
    let input: UpdateCrewTier = json(request, JSON_BYTES).await?;
    if !state.hold.images.is_appview(permit.account()) {
        return Err(refusal::not_appview());
    }
    match state.hold.images.set_tier(&input.user_did, input.tier_rank, state.hold.now_us()).await {
        Ok(tier_name) => Ok(response::json(&TierName { tier_name })),
        Err(e) if e.is_no_member() => {
            let message = "the account is no crew member of this hold";
            Err(Error::new(StatusCode::NOT_FOUND, error::USER_NOT_FOUND, message))
        }
        Err(e) => Err(e.into()),
    }
}
