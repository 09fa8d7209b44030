//! `com.atproto.sync.getRepoStatus`: always active, as the hold is its own account.

use std::sync::Arc;

use super::{check_did, head};
use crate::api::state::ApiState;
use server::wire::{Request, Response};
use server::xrpc::{Error, Query, response};

pub(in crate::api) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    check_did(&state, &Query::of(&request.head))?;
    let head = head(&state).await?;
    Ok(response::json(&serde_json::json!({ "did": head.did, "active": true, "rev": head.rev })))
}
