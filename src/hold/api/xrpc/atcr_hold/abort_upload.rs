//! `io.atcr.hold.abortUpload`: ends an upload and drops its parts.

use std::sync::Arc;

use crate::api::state::ApiState;
use crate::blobs::UploadId;
use crate::gate::WritePermit;
use atproto::lexicon::{AbortUpload, UploadOutcome, UploadStatus};
use server::wire::{Request, Response};
use server::xrpc::{Error, JSON_BYTES, json, response};

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    permit: WritePermit,
    request: Request,
) -> Result<Response, Error> {
    let input: AbortUpload = json(request, JSON_BYTES).await?;
    state.hold.blobs.abort(&UploadId::parse(&input.upload_id)?, permit.account()).await?;
    Ok(response::json(&UploadStatus { status: UploadOutcome::Aborted, digest: None }))
}
