//! `app.bsky.actor.getProfile`

use std::sync::Arc;

use super::{is_ours, view};
use crate::http::connection::{Request, Response};
use crate::http::error::Error;
use crate::http::request::Query;
use crate::http::response;
use crate::http::state::State;

pub(in crate::http) async fn handle(state: Arc<State>, request: Request) -> Result<Response, Error> {
    if !is_ours(&state, Query::of(&request.head).required("actor")?)? {
        return Err(Error::invalid("Profile not found"));
    }
    Ok(response::json(&view(&state).await?))
}
