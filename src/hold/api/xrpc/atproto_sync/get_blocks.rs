//! `com.atproto.sync.getBlocks`: blocks of the repository by CID, as a CAR.

use std::sync::Arc;

use super::check_did;
use crate::api::refusal;
use crate::api::request::parse_cid;
use crate::api::state::ApiState;
use crate::pds::PdsError;
use atproto::lexicon::error;
use http::StatusCode;
use server::wire::{Request, Response};
use server::xrpc::{Error, Query, response};

pub(in crate::api) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    check_did(&state, &query)?;
    let cids = query.all("cids").map(|text| parse_cid("cids", text)).collect::<Result<Vec<_>, _>>()?;
    if cids.is_empty() {
        return Err(Error::invalid("query parameter cids is required"));
    }
    let car = state.hold.pds.blocks(cids).await.map_err(|e| match e {
        PdsError::MissingBlock(cid) => {
            Error::new(StatusCode::BAD_REQUEST, error::BLOCK_NOT_FOUND, format!("there is no block {cid}"))
        }
        PdsError::TooLarge(message) => Error::invalid(message),
        other => other.into(),
    })?;
    Ok(response::full(response::CAR, car.ok_or_else(refusal::repo_not_found)?.into()))
}
