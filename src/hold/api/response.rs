//! Answers in the few forms that handlers need.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Response as HttpResponse, StatusCode};
use serde::Serialize;

use super::error::Error;
use atproto::syntax::Digest;
use server::wire::{Response, ResponseBody};

/// `application/json`.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// A CAR file.
pub(super) const CAR: HeaderValue = HeaderValue::from_static("application/vnd.ipld.car");
/// Plain text.
pub(super) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// 200 with a JSON body.
pub(super) fn json(body: &impl Serialize) -> Response {
    json_with(StatusCode::OK, body)
}

/// A JSON body with another status.
pub(super) fn json_with(status: StatusCode, body: &impl Serialize) -> Response {
    // Our output types have text keys only, which is all that could fail.
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let mut response = full(JSON, bytes.into());
    *response.status_mut() = status;
    response
}

/// 200 with these bytes.
pub(super) fn full(kind: HeaderValue, bytes: Bytes) -> Response {
    with_type(kind, ResponseBody::full(bytes))
}

/// An answer about a blob: the log will name it.
pub(super) fn about(digest: Digest, mut response: Response) -> Response {
    response.extensions_mut().insert(digest);
    response
}

/// 200 with this body.
pub(super) fn with_type(kind: HeaderValue, body: ResponseBody) -> Response {
    let mut response = HttpResponse::new(body);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// 307 to a URL that belongs to whoever asked, for a while: nobody may keep it for another.
pub(super) fn redirect(url: &str) -> Result<Response, Error> {
    let location = HeaderValue::from_str(url).map_err(|_| Error::internal("a URL is no header"))?;
    let mut response = HttpResponse::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
