//! `com.atproto.repo.putRecord`: creates or replaces a crew record or the profile, or changes the captain record.

use std::sync::Arc;

use super::{check_write, write_one};
use crate::api::request::parse_cid;
use crate::api::state::ApiState;
use crate::crew::{CrewChange, CrewWrite};
use crate::gate::AdminPermit;
use atproto::lexicon::PutRecord;
use server::wire::{Request, Response};
use server::xrpc::{Error, JSON_BYTES, json, response};

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    permit: AdminPermit,
    request: Request,
) -> Result<Response, Error> {
    let input: PutRecord = json(request, JSON_BYTES).await?;
    let swap_commit = check_write(&state, &input.repo, input.swap_commit.as_deref())?;
    let swap = input.swap_record.try_map(|text| parse_cid("swapRecord", &text))?;
    let change =
        CrewChange { collection: input.collection, rkey: Some(input.rkey), write: CrewWrite::Put(input.record), swap };
    Ok(response::json(&write_one(&state, &permit, change, swap_commit).await?))
}
