//! Responses that are no pages, and the headers that protect each of them.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderValue, StatusCode};

use server::wire::{Response, ResponseBody};
use server::xrpc::response::set_header;

/// Isolates our windows from those of other sites that opened them or that they opened.
/// <https://html.spec.whatwg.org/#the-coop-headers>
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Redirects the browser by 303: to a path of ours, or to the authorization server of a sign-in.
pub(super) fn go(url: &str) -> Response {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    set_header(&mut response, LOCATION, url);
    uncached(response)
}

/// Keeps others from using an answer of any kind, also a refusal and what leads elsewhere: nobody frames it, it runs and fetches
/// nothing, it is what it says it is, and a window that opened it has no hold of it. What an answer says for itself stays.
pub fn guard(response: &mut Response) {
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Returns a response with another status.
pub(super) fn with_status(mut response: Response, status: StatusCode) -> Response {
    *response.status_mut() = status;
    response
}

/// Returns a response with `Cache-Control: no-store`.
pub(super) fn uncached(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
