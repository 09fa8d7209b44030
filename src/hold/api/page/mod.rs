//! `GET /`: the page for browsers. It needs nothing else: no script, and no request but the one for the hold's own
//! picture.
//!
//! `content` has its facts, `page.html` and `page.css` are its form, `escape` keeps text from becoming markup, `rendered`
//! renders it at most once in two seconds, `cache` keeps it.

mod cache;
mod content;
mod escape;
mod owner;
mod rendered;

use std::sync::{Arc, LazyLock};

use data_encoding::BASE64;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use sha2::{Digest as _, Sha256};

use super::state::ApiState;
use content::STYLE;
use server::wire::{Request, Response};
use server::xrpc::{Error, is_known, not_modified, response};

pub use cache::PageCache;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// A policy that allows the one style sheet of the page, its icon and its picture, and nothing else.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let style = BASE64.encode(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).ok()
});

/// `GET /`
pub(super) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    let page = rendered::rendered(&state).await?;
    let known = is_known(&request.head, &page.etag);
    let mut response = if known { not_modified() } else { response::full(HTML, page.html) };
    let headers = response.headers_mut();
    headers.extend(HeaderValue::try_from(page.etag).map(|etag| (ETAG, etag)));
    headers.extend(POLICY.clone().map(|policy| (CONTENT_SECURITY_POLICY, policy)));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=10"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
