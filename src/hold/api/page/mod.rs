//! `GET /`: what a browser is shown. One HTML page that needs nothing else: no script, and no request but for the
//! hold's own picture.
//!
//! The page is made at most once in two seconds, whoever asks. `content` says what stands in it, `html` keeps it safe,
//! `page.html` and `page.css` are its form.

mod content;
mod html;
mod owner;
mod words;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{Response as HttpResponse, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::state::ApiState;
use crate::api::refusal;
use crate::blobs::Totals;
use content::{Content, STYLE};
use owner::OwnerHandle;
use server::identity::Resolver;
use server::wire::{Request, Response, ResponseBody};
use server::xrpc::{Error, header, response};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
/// How long the page as it was made last is shown.
const FRESH: Duration = Duration::from_secs(2);
/// How long a sum over all blobs is shown: with a million of them it takes a fifth of a second.
const TOTALS_FRESH: Duration = Duration::from_secs(60);

/// Allows the one style sheet of the page, its icon and its picture, and nothing else.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let style = BASE64.encode(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).ok()
});

/// The page, and what it takes to make it.
pub struct Page {
    owner: OwnerHandle,
    made: Arc<Mutex<Made>>,
}

#[derive(Default)]
struct Made {
    page: Option<(Rendered, Instant)>,
    totals: Option<(Totals, Instant)>,
}

#[derive(Clone)]
struct Rendered {
    html: Bytes,
    etag: String,
}

/// `GET /`
pub(super) async fn handle(state: Arc<ApiState>, request: Request) -> Result<Response, Error> {
    let page = rendered(&state).await?;
    let mut response = if has_it_already(&request.head, &page.etag) {
        let mut response = HttpResponse::new(ResponseBody::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        response::full(HTML, page.html)
    };
    let headers = response.headers_mut();
    headers.extend(HeaderValue::try_from(page.etag).map(|etag| (ETAG, etag)));
    headers.extend(POLICY.clone().map(|policy| (CONTENT_SECURITY_POLICY, policy)));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=10"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

fn has_it_already(head: &Parts, etag: &str) -> bool {
    let Some(known) = header(head, IF_NONE_MATCH.as_str()) else { return false };
    known.split(',').map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}

async fn rendered(state: &Arc<ApiState>) -> Result<Rendered, Error> {
    let made = Arc::clone(&state.page.made).lock_owned().await;
    match &made.page {
        Some((page, at)) if at.elapsed() < FRESH => Ok(page.clone()),
        // Its own task: whoever goes away leaves the work to the next one, and cannot have it begun again and again.
        _ => tokio::spawn(make(Arc::clone(state), made)).await.map_err(refusal::internal)?,
    }
}

async fn make(state: Arc<ApiState>, mut made: OwnedMutexGuard<Made>) -> Result<Rendered, Error> {
    let public_info = state.hold.crew.public_info().await?;
    // What a private hold stores is nobody else's business.
    let totals = if public_info.captain.public { Some(made.totals(&state).await?) } else { None };
    let owner = state.page.owner.of(&public_info.captain.owner);
    let html = Content { state: &state, public_info: &public_info, owner: owner.as_ref(), totals }.page();
    let etag = format!("\"{}\"", HEXLOWER.encode(&Sha256::digest(&html)[..16]));
    let page = Rendered { html: html.into(), etag };
    made.page = Some((page.clone(), Instant::now()));
    Ok(page)
}

impl Made {
    async fn totals(&mut self, state: &ApiState) -> Result<Totals, Error> {
        if let Some((totals, _)) = self.totals.filter(|(_, at)| at.elapsed() < TOTALS_FRESH) {
            return Ok(totals);
        }
        let totals = state.hold.blobs.totals().await?;
        self.totals = Some((totals, Instant::now()));
        Ok(totals)
    }
}

impl Page {
    /// A page that finds the owner's handle with `resolver`.
    #[must_use]
    pub fn new(resolver: Resolver) -> Self {
        Self { owner: OwnerHandle::new(resolver), made: Arc::default() }
    }
}
