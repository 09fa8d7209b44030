//! `com.atproto.repo.uploadBlob`: uploads a blob for a record of the repository, such as the profile's picture. Image
//! layers are uploaded by `io.atcr.hold.*`.

use std::sync::Arc;

use crate::api::request::media_type;
use crate::api::state::ApiState;
use crate::gate::AdminPermit;
use crate::pds::{MAX_RECORD_BLOB_BYTES, NewBlob};
use atproto::lexicon::error;
use atproto::repo::cbor;
use http::StatusCode;
use server::wire::{BodyFault, Request, Response};
use server::xrpc::{Error, response};

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    _permit: AdminPermit,
    request: Request,
) -> Result<Response, Error> {
    let media_type = media_type(&request.head)?;
    let bytes = request.body.collect(MAX_RECORD_BLOB_BYTES).await.map_err(|fault| match fault {
        BodyFault::TooLarge => {
            let message = format!("a blob has at most {MAX_RECORD_BLOB_BYTES} bytes");
            Error::new(StatusCode::PAYLOAD_TOO_LARGE, error::BLOB_TOO_LARGE, message)
        }
        other => other.into(),
    })?;
    let blob = state.hold.pds.upload_blob(NewBlob::new(&media_type, bytes), state.hold.now_us()).await?;
    Ok(response::json(&serde_json::json!({ "blob": cbor::to_json(&blob.to_ipld()) })))
}
