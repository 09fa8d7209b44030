//! `io.atcr.hold.initiateUpload`: starts an upload.

use std::sync::Arc;

use crate::api::state::ApiState;
use crate::blobs::{PartSizes, UploadShare};
use crate::gate::WritePermit;
use atproto::lexicon::{InitiateUpload, UploadIdOutput, error};
use server::wire::{Request, Response};
use server::xrpc::{Error, JSON_BYTES, json, response};

/// Limit of the client's temporary name, which is not used.
const MAX_NAME_BYTES: usize = 128;

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    permit: WritePermit,
    request: Request,
) -> Result<Response, Error> {
    let input: InitiateUpload = json(request, JSON_BYTES).await?;
    if !(1..=MAX_NAME_BYTES).contains(&input.digest.len()) {
        let message = "digest must have 1 to 128 characters";
        return Err(Error::new(http::StatusCode::BAD_REQUEST, error::INVALID_DIGEST, message));
    }
    let share = if permit.is_captain() { UploadShare::Reserved } else { UploadShare::Common };
    let upload_id = state.hold.blobs.initiate_from(share, permit.account(), state.hold.now_us()).await?;
    let (part_length, min_part_bytes, max_part_bytes) = match state.hold.blobs.part_sizes() {
        PartSizes::Any => (Some("any".to_owned()), None, None),
        PartSizes::Between { min_bytes, max_bytes } => (None, Some(min_bytes), Some(max_bytes)),
    };
    let upload_id = upload_id.to_string();
    Ok(response::json(&UploadIdOutput { upload_id, part_length, min_part_bytes, max_part_bytes }))
}
