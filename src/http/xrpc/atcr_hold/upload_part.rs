//! `io.atcr.hold.uploadPart`: the bytes of one part.

use std::sync::Arc;

use crate::blobs::BodyError;
use crate::http::connection::{Request, Response};
use crate::http::error::Error;
use crate::http::part_access::PartAccess;
use crate::http::response;
use crate::http::state::State;
use crate::lexicon::error;
use futures_util::TryStreamExt as _;
use http::header::{ETAG, HeaderValue};

pub(in crate::http) async fn handle(
    state: Arc<State>,
    access: PartAccess,
    request: Request,
) -> Result<Response, Error> {
    let length = request.body.announced_length();
    let body = request.body.map_err(BodyError::from);
    let account = access.permit.account();
    let etag = state
        .blobs
        .upload_part(&access.upload_id, account, access.number, length, body, state.now_us())
        .await
        .map_err(|e| Error::from(e).named_if_internal(error::UPLOAD_FAILED))?;
    let mut response = response::json(&serde_json::json!({ "etag": etag.as_str() }));
    if let Ok(value) = HeaderValue::from_str(&etag.quoted()) {
        response.headers_mut().insert(ETAG, value);
    }
    Ok(response)
}
