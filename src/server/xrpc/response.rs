//! Constructors of the responses that handlers return.

use std::io;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response as HttpResponse, StatusCode};
use http_body::Body as _;
use serde::Serialize;

use crate::wire::{Response, ResponseBody};
use atproto::syntax::Digest;

/// `application/json`.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The media type of a CAR file.
pub const CAR: HeaderValue = HeaderValue::from_static("application/vnd.ipld.car");
/// The media type of plain text.
pub const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A proxy that compresses JSON would weaken the entity tags beside it, and gain nothing.
const NO_TRANSFORM: HeaderValue = HeaderValue::from_static("no-transform");

/// A header that turns nginx's buffering of a response on or off, whatever nginx's own configuration is.
/// <https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering>
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// The part of a response that nginx buffers in memory by default, 8 buffers of 4 KiB. It writes the rest to its disk,
/// for as long as its client is slower than the program.
const PROXY_BUFFERS_BYTES: u64 = 8 * 4096;

/// Makes a 200 with a JSON body.
pub fn json(body: &impl Serialize) -> Response {
    json_with(StatusCode::OK, body)
}

/// Makes a response of this status with a JSON body.
pub fn json_with(status: StatusCode, body: &impl Serialize) -> Response {
    // Only maps with keys that are not text fail to serialize, and output types have none.
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let mut response = full(JSON, bytes.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, NO_TRANSFORM);
    response
}

/// Makes a 200 with a streamed JSON body; a failure cuts the connection off.
pub fn json_stream(pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Response {
    let mut response = with_type(JSON, ResponseBody::stream(None, pieces));
    response.headers_mut().insert(CACHE_CONTROL, NO_TRANSFORM);
    response
}

/// Makes a 200 with these bytes.
#[must_use]
pub fn full(kind: HeaderValue, bytes: Bytes) -> Response {
    with_type(kind, ResponseBody::full(bytes))
}

/// Makes a 200 with this body.
#[must_use]
pub fn with_type(kind: HeaderValue, body: ResponseBody) -> Response {
    let mut response = HttpResponse::new(body);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Sets a header of a response, if `text` is a valid header value.
pub fn set_header(response: &mut Response, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
}

/// Adds the digest of the blob that a response is about, for the log line.
#[must_use]
pub fn about(digest: Digest, mut response: Response) -> Response {
    response.extensions_mut().insert(digest);
    response
}

/// Tells a reverse proxy not to buffer a response that is longer than the proxy would hold in memory, or of unknown
/// length. So no blob is on the proxy's disk, and a slow reader slows the storage down, not only the proxy.
pub(super) fn pass_unbuffered(response: &mut Response) {
    if response.body().size_hint().exact().is_none_or(|bytes| bytes > PROXY_BUFFERS_BYTES) {
        response.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[test]
    fn only_what_is_long_or_of_unknown_length_is_unbuffered() {
        let passed = |body| {
            let mut response = with_type(CAR, body);
            pass_unbuffered(&mut response);
            response.headers().get(X_ACCEL_BUFFERING).is_some_and(|value| value == "no")
        };
        let stream = |length| ResponseBody::stream(length, stream::empty());
        assert!(passed(stream(None)));
        assert!(passed(stream(Some(32 * 1024 + 1))));
        assert!(passed(ResponseBody::full(vec![0; 32 * 1024 + 1])));
        assert!(!passed(stream(Some(32 * 1024))));
        assert!(!passed(ResponseBody::full("{}")));
        assert!(!passed(ResponseBody::empty()));
    }
}
