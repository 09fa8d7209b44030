//! `io.atcr.hold.initiateUpload`: begins an upload.

use std::sync::Arc;

use crate::auth::WritePermit;
use crate::http::connection::{Request, Response};
use crate::http::error::Error;
use crate::http::request::{JSON_BYTES, json};
use crate::http::response;
use crate::http::state::State;
use crate::lexicon::{InitiateUpload, UploadIdOutput, error};

/// The client's temporary name is only a courtesy to it; this bounds what it may send.
const MAX_NAME_BYTES: usize = 128;

pub(in crate::http) async fn handle(
    state: Arc<State>,
    permit: WritePermit,
    request: Request,
) -> Result<Response, Error> {
    let input: InitiateUpload = json(request, JSON_BYTES).await?;
    if !(1..=MAX_NAME_BYTES).contains(&input.digest.len()) {
        let message = "digest must have 1 to 128 characters";
        return Err(Error::new(http::StatusCode::BAD_REQUEST, error::INVALID_DIGEST, message));
    }
    // Before the bytes come, so that they do not fill the disk for nothing.
    state.registry.check_room(permit.account()).await?;
    let upload_id = state.blobs.initiate(permit.account(), state.now_us()).await?;
    Ok(response::json(&UploadIdOutput { upload_id: upload_id.to_string() }))
}
