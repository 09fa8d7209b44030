//! `com.atproto.server.describeServer`: this server has one account and takes no others.

use std::sync::Arc;

use crate::http::connection::{Request, Response};
use crate::http::error::Error;
use crate::http::response;
use crate::http::state::State;

pub(in crate::http) async fn handle(state: Arc<State>, _request: Request) -> Result<Response, Error> {
    Ok(response::json(&serde_json::json!({
        "did": state.url.did(),
        "availableUserDomains": [],
        "inviteCodeRequired": true,
        "links": {},
        "contact": {},
    })))
}
