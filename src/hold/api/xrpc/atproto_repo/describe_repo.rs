//! `com.atproto.repo.describeRepo`

use std::sync::Arc;

use crate::api::request::check_repo;
use crate::api::state::ApiState;
use server::wire::{Request, Response};
use server::xrpc::{Error, Query, response};

pub(in crate::api) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    check_repo(query.required("repo")?, state.hold.pds.did(), state.hold.pds.handle())?;
    Ok(response::json(&serde_json::json!({
        "handle": state.shown_handle(),
        "did": state.hold.pds.did(),
        "didDoc": state.hold.did_document,
        "collections": state.hold.pds.collections().await?,
        "handleIsCorrect": state.hold.pds.handle().is_some(),
    })))
}
