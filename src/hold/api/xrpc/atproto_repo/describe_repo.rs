//! `com.atproto.repo.describeRepo`

use std::sync::Arc;

use crate::api::request::check_repo;
use crate::api::state::State;
use server::wire::{Request, Response};
use server::xrpc::{Error, Query, response};

pub(in crate::api) async fn handle(state: Arc<State>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    check_repo(query.required("repo")?, state.pds.did(), state.pds.handle())?;
    Ok(response::json(&serde_json::json!({
        "handle": state.shown_handle(),
        "did": state.pds.did(),
        "didDoc": state.did_document,
        "collections": state.pds.collections().await?,
        "handleIsCorrect": state.pds.handle().is_some(),
    })))
}
