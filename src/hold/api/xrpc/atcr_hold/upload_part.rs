//! `io.atcr.hold.uploadPart`: uploads the bytes of one part.

use std::sync::Arc;

use crate::api::part_access::PartAccess;
use crate::api::state::ApiState;
use crate::blobs::{BodyError, PartRequest};
use atproto::lexicon::{UploadedPart, error};
use futures_util::TryStreamExt as _;
use http::header::ETAG;
use server::wire::{Request, Response};
use server::xrpc::{Error, response};

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    access: PartAccess,
    request: Request,
) -> Result<Response, Error> {
    let part = PartRequest {
        upload: access.upload_id,
        account: access.permit.account().clone(),
        number: access.number,
        announced_bytes: request.body.unread_length(),
        now_us: state.hold.now_us(),
    };
    let etag = state
        .hold
        .blobs
        .upload_part(part, request.body.map_err(BodyError::from))
        .await
        .map_err(|e| Error::from(e).named_if_internal(error::UPLOAD_FAILED))?;
    let mut response = response::json(&UploadedPart { etag: etag.as_str().to_owned() });
    response::set_header(&mut response, ETAG, &etag.quoted());
    Ok(response)
}
