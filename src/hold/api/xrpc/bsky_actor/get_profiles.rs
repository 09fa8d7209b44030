//! `app.bsky.actor.getProfiles`: accounts of other servers are left out of the response.

use std::sync::Arc;

use super::{is_ours, view};
use crate::api::state::ApiState;
use server::wire::{Request, Response};
use server::xrpc::{Error, Query, response};

const MAX_ACTORS: usize = 25;

pub(in crate::api) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    let actors: Vec<_> = query.all("actors").collect();
    if !(1..=MAX_ACTORS).contains(&actors.len()) {
        return Err(Error::invalid(format!("query parameter actors must be given 1 to {MAX_ACTORS} times")));
    }
    let mut profiles = Vec::new();
    for actor in actors {
        if is_ours(&state, actor)? && profiles.is_empty() {
            profiles.push(view(&state).await?);
        }
    }
    Ok(response::json(&serde_json::json!({ "profiles": profiles })))
}
