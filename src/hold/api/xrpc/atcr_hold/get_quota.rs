//! `io.atcr.hold.getQuota`: returns an account's usage and quota.

use std::sync::Arc;

use http::StatusCode;

use crate::api::state::ApiState;
use atproto::lexicon::error;
use atproto::syntax::Did;
use server::wire::{Request, Response};
use server::xrpc::{Error, Query, response};

pub(in crate::api) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    let account = Did::parse(query.required("userDid")?);
    let account =
        account.map_err(|e| Error::new(StatusCode::BAD_REQUEST, error::INVALID_USER_DID, format!("userDid is {e}")))?;
    Ok(response::json(&state.hold.images.quota(&account).await?))
}
