//! `com.atproto.sync.getRecord`: a record with the proof that it is, or is not, in the repository.

use std::sync::Arc;

use super::check_did;
use crate::http::connection::{Request, Response};
use crate::http::error::Error;
use crate::http::request::Query;
use crate::http::response;
use crate::http::state::State;

pub(in crate::http) async fn handle(state: Arc<State>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    check_did(&state, &query)?;
    let path = format!("{}/{}", query.collection()?, query.rkey()?);
    let car = state.pds.record_proof(path).await?.ok_or_else(Error::repo_not_found)?;
    Ok(response::full(response::CAR, car.into()))
}
