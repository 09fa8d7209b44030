//! `com.atproto.repo.describeRepo`

use std::sync::Arc;

use crate::http::connection::{Request, Response};
use crate::http::error::Error;
use crate::http::request::{Query, check_repo};
use crate::http::response;
use crate::http::state::State;

/// What atproto software shows for an account whose handle does not resolve.
const NO_HANDLE: &str = "handle.invalid";

pub(in crate::http) async fn handle(state: Arc<State>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    check_repo(query.required("repo")?, state.pds.did(), state.pds.handle())?;
    Ok(response::json(&serde_json::json!({
        "handle": state.pds.handle().unwrap_or(NO_HANDLE),
        "did": state.pds.did(),
        "didDoc": state.did_document,
        "collections": state.pds.collections().await?,
        "handleIsCorrect": state.pds.handle().is_some(),
    })))
}
