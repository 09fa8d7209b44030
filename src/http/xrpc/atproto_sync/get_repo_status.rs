//! `com.atproto.sync.getRepoStatus`: always active, for the hold is its own account.

use std::sync::Arc;

use super::{check_did, head};
use crate::http::connection::{Request, Response};
use crate::http::error::Error;
use crate::http::request::Query;
use crate::http::response;
use crate::http::state::State;

pub(in crate::http) async fn handle(state: Arc<State>, request: Request) -> Result<Response, Error> {
    check_did(&state, &Query::of(&request.head))?;
    let head = head(&state).await?;
    Ok(response::json(&serde_json::json!({ "did": head.did, "active": true, "rev": head.rev })))
}
