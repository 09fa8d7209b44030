//! `io.atcr.hold.completeUpload`: makes a blob of the parts once their digest is verified.

use std::sync::Arc;

use crate::api::refusal;
use crate::api::request::{COMPLETE_BYTES, part_number};
use crate::api::state::ApiState;
use crate::blobs::UploadId;
use crate::gate::WritePermit;
use atproto::lexicon::{CompleteUpload, UploadOutcome, UploadStatus, error};
use atproto::syntax::Digest;
use server::wire::{Request, Response};
use server::xrpc::{Error, json, response};

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    permit: WritePermit,
    request: Request,
) -> Result<Response, Error> {
    let input: CompleteUpload = json(request, COMPLETE_BYTES).await?;
    let digest = Digest::parse(&input.digest).map_err(|_| refusal::invalid_digest())?;
    let id = UploadId::parse(&input.upload_id)?;
    let part = |part: atproto::lexicon::CompletedPart| Ok((part_number(&part.part_number)?, part.etag));
    let parts = input.parts.into_iter().map(part).collect::<Result<Vec<_>, Error>>()?;
    state
        .hold
        .blobs
        .complete(&id, permit.account(), digest, parts, state.hold.now_us())
        .await
        .map_err(|e| Error::from(e).named_if_internal(error::COMPLETION_FAILED))?;
    Ok(response::about(
        digest,
        response::json(&UploadStatus { status: UploadOutcome::Completed, digest: Some(digest) }),
    ))
}
