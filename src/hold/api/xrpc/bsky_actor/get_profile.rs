//! `app.bsky.actor.getProfile`

use std::sync::Arc;

use super::{is_ours, view};
use crate::api::state::ApiState;
use server::wire::{Request, Response};
use server::xrpc::{Error, Query, response};

pub(in crate::api) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    if !is_ours(&state, Query::of(&request.head).required("actor")?)? {
        return Err(Error::invalid("Profile not found"));
    }
    Ok(response::json(&view(&state).await?))
}
