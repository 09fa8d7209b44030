//! `io.atcr.hold.abortUpload`: gives an upload up.

use std::sync::Arc;

use crate::auth::WritePermit;
use crate::blobs::UploadId;
use crate::http::connection::{Request, Response};
use crate::http::error::Error;
use crate::http::request::{JSON_BYTES, json};
use crate::http::response;
use crate::http::state::State;
use crate::lexicon::{AbortUpload, UploadStatus};

pub(in crate::http) async fn handle(
    state: Arc<State>,
    permit: WritePermit,
    request: Request,
) -> Result<Response, Error> {
    let input: AbortUpload = json(request, JSON_BYTES).await?;
    state.blobs.abort(&UploadId::parse(&input.upload_id)?, permit.account()).await?;
    Ok(response::json(&UploadStatus { status: "aborted", digest: None }))
}
