//! `com.atproto.server.describeServer`: this server has one account and takes no others.

use std::sync::Arc;

use crate::api::state::ApiState;
use server::wire::{Request, Response};
use server::xrpc::{Error, response};

pub(in crate::api) async fn handle(state: Arc<ApiState>, _request: Request) -> Result<Response, Error> {
    Ok(response::json(&serde_json::json!({
        "did": state.hold.pds.did(),
        "availableUserDomains": [],
        "inviteCodeRequired": true,
        "links": {},
        "contact": {},
    })))
}
