//! `com.atproto.sync.listRepos`: lists the one repository of this host.

use std::sync::Arc;

use super::head;
use crate::api::state::ApiState;
use serde_json::json;
use server::wire::{Request, Response};
use server::xrpc::{Error, Query, response};

const MAX_LIMIT: u32 = 1000;

pub(in crate::api) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    query.limit(MAX_LIMIT, MAX_LIMIT)?;
    // No response has a cursor; a request with one gets an empty page.
    if query.get("cursor")?.is_some() {
        return Ok(response::json(&json!({ "repos": [] })));
    }
    let head = head(&state).await?;
    let repo = json!({ "did": head.did, "head": head.commit.to_string(), "rev": head.rev, "active": true });
    Ok(response::json(&json!({ "repos": [repo] })))
}
