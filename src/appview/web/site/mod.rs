//! The pages that anybody may read: what this registry is, whose repositories there are, and what is in an image.
//!
//! What a page shows of others comes from their PDSes and holds, which may be slow, away or hostile. So a page waits for a few
//! seconds at most, one network has few pages under way at once, and what does not come is said in its place.

mod home;
mod image;
mod layers;
mod markdown;
mod owner;
mod picture;
mod repository;
mod route;
mod search;
mod shown;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::request::Parts;
use tokio::time::timeout;

use super::refusal::WebError;
use super::viewer::Viewer;
use super::{Web, pages};
use crate::names::Owner;
use server::bulkhead::{BulkheadLimits, Caller, Place};
use server::identity::{Account, ResolveError};
use server::wire::Response;
use server::xrpc::Trace;

pub(super) use home::show as home;
pub(super) use home::{FrontPage, mark, robots};
pub(super) use image::{Configs, remembered as remembered_configs};
use route::SitePage;
pub(super) use route::kind;
pub(super) use search::{MAX_QUERY_CHARS, show as search};
pub(super) use shown::Ago;
pub(super) use shown::path_of;

/// Of one network few pages are made at once: each asks servers of others.
pub(super) const PAGES: BulkheadLimits = BulkheadLimits {
    places: 64,
    places_per_caller: 8,
    queue: 256,
    queue_per_caller: 32,
    max_wait: Duration::from_secs(5),
};
/// What a page may take. Each question has a shorter time of its own.
const PAGE_TIME: Duration = Duration::from_secs(12);

/// A page about an account: it, under the name that it has now.
pub(super) struct Subject {
    pub(super) account: Arc<Account>,
    /// What stands in paths.
    pub(super) owner: Owner,
}

/// Waits for a place to make a page.
pub(super) async fn enter(web: &Web, caller: &Caller) -> Result<Place<Caller>, WebError> {
    Ok(web.pages.enter(caller).await?)
}

/// The page that a path names.
pub(super) async fn show(web: &Web, head: &Parts, trace: &mut Trace) -> Result<Response, WebError> {
    let page = SitePage::of(head.uri.path()).ok_or_else(missing)?;
    let viewer = Viewer::of(web, head).await?;
    trace.caller = viewer.account.clone();
    let caller = viewer.account.clone().map_or_else(|| trace.network(), Caller::Account);
    let _place = enter(web, &caller).await?;
    let making = make(web, head, page, &viewer, &caller);
    let late = |_| {
        WebError::new(
            StatusCode::GATEWAY_TIMEOUT,
            "temporarily_unavailable",
            "the account's server is too slow: try again in a minute",
        )
    };
    timeout(PAGE_TIME, making).await.map_err(late)?
}

async fn make(web: &Web, head: &Parts, page: SitePage, viewer: &Viewer, caller: &Caller) -> Result<Response, WebError> {
    let (SitePage::Owner(owner)
    | SitePage::Repository(owner, _)
    | SitePage::Image(owner, ..)
    | SitePage::Picture(owner, _)) = &page;
    let subject = find(web, owner, caller).await?;
    if let SitePage::Picture(_, name) = &page {
        return picture::show(web, &subject, name.as_ref()).await;
    }
    let canonical = match &page {
        SitePage::Repository(_, name) => format!("/{}/{name}", subject.owner),
        SitePage::Image(_, name, reference) => format!("/{}/{name}{}", subject.owner, shown::suffix(reference)),
        SitePage::Owner(_) | SitePage::Picture(..) => format!("/{}", subject.owner),
    };
    if head.uri.path() != canonical {
        return Ok(pages::go(&canonical));
    }
    match page {
        SitePage::Repository(_, name) => repository::show(web, viewer, &subject, &name, head).await,
        SitePage::Image(_, name, reference) => image::show(web, (viewer, caller), &subject, &name, &reference).await,
        SitePage::Owner(_) | SitePage::Picture(..) => owner::show(web, viewer, &subject).await,
    }
}

/// The account of an owner, and the one name that its pages have: its handle where its domain agrees, else its DID.
pub(super) async fn find(web: &Web, owner: &Owner, caller: &Caller) -> Result<Subject, WebError> {
    let account = web.owners.find(owner, caller).await.map_err(|error| match error {
        ResolveError::NotFound => WebError::not_found(format!("there is no account {owner}")),
        error => error.into(),
    })?;
    if let Owner::Handle(_) = owner {
        return Ok(Subject { account, owner: owner.clone() });
    }
    let handle = web.owners.proven_handle(&account, caller).await.ok().flatten();
    let owner = handle.map_or_else(|| Owner::Did(account.did.clone()), Owner::Handle);
    Ok(Subject { account, owner })
}

/// Says that there is no page.
pub(super) fn missing() -> WebError {
    WebError::not_found("there is no page at this address")
}
