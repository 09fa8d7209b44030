//! `io.atcr.hold.getQuota`: how much an account has, and may have.

use std::sync::Arc;

use http::StatusCode;

use crate::http::connection::{Request, Response};
use crate::http::error::Error;
use crate::http::request::Query;
use crate::http::response;
use crate::http::state::State;
use crate::lexicon::error;
use crate::syntax::Did;

pub(in crate::http) async fn handle(state: Arc<State>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    let account = Did::parse(query.required("userDid")?);
    let account =
        account.map_err(|e| Error::new(StatusCode::BAD_REQUEST, error::INVALID_USER_DID, format!("userDid is {e}")))?;
    Ok(response::json(&state.registry.quota(&account).await?))
}
