//! Cross-origin requests of browsers: any page may read what anyone may read.
//! <https://fetch.spec.whatwg.org/#http-cors-protocol>

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue,
};
use http::{Method, StatusCode};

use crate::wire::{Response, ResponseBody};

const EXPOSED: HeaderValue = HeaderValue::from_static(
    "content-range, docker-content-digest, dpop-nonce, etag, retry-after, www-authenticate, x-request-id",
);

/// The answer to a browser that asks before it calls.
pub(super) fn preflight() -> Response {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, dpop, range"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

/// Lets any page read an answer, a refusal too. Never with credentials: they would act with a visitor's identity.
pub(super) fn open(response: &mut Response, method: &Method) {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}
