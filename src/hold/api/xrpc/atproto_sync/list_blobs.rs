//! `com.atproto.sync.listBlobs`: lists the blobs that records refer to, which image layers are not.

use std::sync::Arc;

use super::{check_did, since};
use crate::api::request::parse_cid;
use crate::api::state::ApiState;
use crate::pds::BlobsQuery;
use server::wire::{Request, Response};
use server::xrpc::{Error, Query, response};

const DEFAULT_LIMIT: u32 = 500;
const MAX_LIMIT: u32 = 1000;

pub(in crate::api) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    check_did(&state, &query)?;
    let blobs_query = BlobsQuery {
        since: since(&query)?,
        cursor: query.get("cursor")?.map(|text| parse_cid("cursor", text)).transpose()?,
        limit: query.limit(DEFAULT_LIMIT, MAX_LIMIT)?,
    };
    let page = state.hold.pds.list_blobs(blobs_query).await?;
    let cids: Vec<_> = page.cids.iter().map(ToString::to_string).collect();
    let mut output = serde_json::json!({ "cids": cids });
    if let Some(cursor) = page.cursor {
        output["cursor"] = cursor.to_string().into();
    }
    Ok(response::json(&output))
}
