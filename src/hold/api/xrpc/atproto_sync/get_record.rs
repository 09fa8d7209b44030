//! `com.atproto.sync.getRecord`: returns a record with the proof that it is, or is not, in the repository.

use std::sync::Arc;

use super::check_did;
use crate::api::refusal;
use crate::api::state::ApiState;
use server::wire::{Request, Response};
use server::xrpc::{Error, Query, response};

pub(in crate::api) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    check_did(&state, &query)?;
    let path = format!("{}/{}", query.collection()?, query.rkey()?);
    let car = state.hold.pds.record_proof(path).await?.ok_or_else(refusal::repo_not_found)?;
    Ok(response::full(response::CAR, car.into()))
}
