//! `com.atproto.sync.listBlobs`: the blobs that records refer to. Image layers are none of them, and no record of this
//! version refers to a blob, so the list is empty.

use std::sync::Arc;

use super::{check_did, since};
use crate::http::connection::{Request, Response};
use crate::http::error::Error;
use crate::http::request::Query;
use crate::http::response;
use crate::http::state::State;

const DEFAULT_LIMIT: u32 = 500;
const MAX_LIMIT: u32 = 1000;

pub(in crate::http) async fn handle(state: Arc<State>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    check_did(&state, &query)?;
    since(&query)?;
    query.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    query.get("cursor")?;
    Ok(response::json(&serde_json::json!({ "cids": [] })))
}
