//! `com.atproto.identity.resolveHandle`: resolves the hold's own handle, and no others.

use std::sync::Arc;

use http::StatusCode;

use crate::api::state::ApiState;
use atproto::lexicon::error;
use atproto::syntax::Handle;
use server::wire::{Request, Response};
use server::xrpc::{Error, Query, response};

pub(in crate::api) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    let asked = Handle::parse(query.required("handle")?).map_err(|e| Error::invalid(format!("handle is {e}")))?;
    if state.hold.pds.handle().is_none_or(|ours| !ours.eq_ignore_ascii_case(asked.as_str())) {
        let message = "this server resolves only the hold's own handle";
        return Err(Error::new(StatusCode::BAD_REQUEST, error::HANDLE_NOT_FOUND, message));
    }
    Ok(response::json(&serde_json::json!({ "did": state.hold.pds.did() })))
}
