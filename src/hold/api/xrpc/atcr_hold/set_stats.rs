//! `io.atcr.hold.setStats`: sets the statistics of an image, as counted elsewhere.

use std::sync::Arc;

use http::StatusCode;

use crate::api::state::ApiState;
use crate::gate::AdminPermit;
use crate::images::Image;
use atproto::lexicon::{SetStats, Success, error};
use atproto::syntax::{Did, ImageName};
use server::wire::{Request, Response};
use server::xrpc::{Error, JSON_BYTES, json, response};

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    permit: AdminPermit,
    request: Request,
) -> Result<Response, Error> {
    let input: SetStats = json(request, JSON_BYTES).await?;
    let wrong = |name, message| Error::new(StatusCode::BAD_REQUEST, name, message);
    let owner = Did::parse(&input.owner_did);
    let owner = owner.map_err(|e| wrong(error::INVALID_OWNER, format!("ownerDid is {e}")))?;
    let name = ImageName::parse(&input.repository);
    let name = name.map_err(|e| wrong(error::INVALID_REPOSITORY, format!("repository is {e}")))?;
    let (manager, image) = (permit.manager().clone(), Image { owner, name });
    state.hold.images.set_stats(manager, image, input.into(), state.hold.now_us()).await?;
    Ok(response::json(&Success { success: true }))
}
