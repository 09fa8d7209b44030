//! The public pages: front page, search, accounts, repositories and images.
//!
//! Their content comes from PDSes and holds, which may be slow, away or hostile. So a page waits a few seconds at most,
//! one client has few pages under way at once, and a page tells what could not be read.

mod configs;
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

use http::request::Parts;
use tokio::time::timeout;

use super::endpoint::PAGE_TIME;
use super::refusal::WebError;
use super::viewer::Viewer;
use super::{Web, responses};
use crate::names::Owner;
use server::bulkhead::{BulkheadLimits, Caller, Slot};
use server::identity::{Account, ResolveError};
use server::wire::Response;
use server::xrpc::Trace;

pub(super) use configs::{Configs, remembered as remembered_configs};
pub(super) use home::show as home;
pub(super) use home::{FrontPage, mark, robots};
use route::SitePage;
pub(super) use route::{is_page, kind};
pub(super) use search::{MAX_QUERY_CHARS, show as search};
pub(super) use shown::{Ago, path_of, reason, short};

/// One account or network has few pages under way at once: each calls servers of others.
pub(super) const PAGES: BulkheadLimits = BulkheadLimits {
    slots: 64,
    slots_per_caller: 8,
    queue: 256,
    queue_per_caller: 32,
    max_wait: Duration::from_secs(5),
};
/// Time limit of each part of a page that is made of several.
const PART_TIME: Duration = Duration::from_secs(5);
/// Seconds to retry after a page was late.
const LATE_RETRY_S: u64 = 60;

/// The account that a page is about.
pub(super) struct Subject {
    pub(super) account: Arc<Account>,
    /// The owner in the page's path: the verified handle, else the DID.
    pub(super) owner: Owner,
}

/// Waits for a slot in the bulkhead of pages.
pub(super) async fn enter(web: &Web, caller: &Caller) -> Result<Slot<Caller>, WebError> {
    Ok(web.pages.enter(caller).await?)
}

/// Returns the page that a path names.
pub(super) async fn show(web: &Web, head: &Parts, trace: &mut Trace) -> Result<Response, WebError> {
    let page = SitePage::of(head.uri.path()).ok_or_else(missing)?;
    let viewer = Viewer::of(web, head).await?;
    trace.caller = viewer.account.clone();
    let caller = viewer.account.clone().map_or_else(|| trace.network(), Caller::Account);
    let _slot = enter(web, &caller).await?;
    let making = make(web, head, page, &viewer, &caller);
    let late = |_| WebError::late("the account's server is too slow: try again in a minute").after(LATE_RETRY_S);
    timeout(PAGE_TIME, making).await.map_err(late)?
}

async fn make(web: &Web, head: &Parts, page: SitePage, viewer: &Viewer, caller: &Caller) -> Result<Response, WebError> {
    let subject = find(web, page.owner(), caller).await?;
    if let SitePage::Picture(_, name) = &page {
        return picture::show(web, head, &subject, name.as_ref()).await;
    }
    let canonical = match &page {
        SitePage::Repository(_, name) => format!("/{}/{name}", subject.owner),
        SitePage::Image(_, name, reference) => format!("/{}/{name}{}", subject.owner, shown::suffix(reference)),
        SitePage::Owner(_) | SitePage::Picture(..) => format!("/{}", subject.owner),
    };
    if head.uri.path() != canonical {
        return Ok(responses::go(&canonical));
    }
    match page {
        SitePage::Repository(_, name) => repository::show(web, viewer, &subject, &name, head).await,
        SitePage::Image(_, name, reference) => image::show(web, viewer, caller, &subject, &name, &reference).await,
        SitePage::Owner(_) | SitePage::Picture(..) => owner::show(web, viewer, &subject).await,
    }
}

/// Resolves an owner to its account, and to the owner in the paths of its pages: the handle if its domain confirms it,
/// else the DID.
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

/// Returns the error for a page that does not exist.
pub(super) fn missing() -> WebError {
    WebError::not_found("there is no page at this address")
}
