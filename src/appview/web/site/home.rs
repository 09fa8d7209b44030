//! The front page: what this registry is, how to push, and recent pushes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use futures_util::{StreamExt as _, stream};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use tokio::time::timeout;

use super::shown::{Ago, path_of};
use crate::names::Owner;
use crate::web::pages::{self, Frame, Shown};
use crate::web::refusal::WebError;
use crate::web::viewer::Viewer;
use crate::web::{Endpoint, Web};
use atproto::syntax::Did;
use server::bulkhead::Caller;
use server::wire::Response;
use server::xrpc::response;

/// Numbers of recently pushed repositories: those that are read, those that are shown, and those of one account.
const LOOKED_AT: usize = 60;
const SHOWN: usize = 12;
const OF_ONE_ACCOUNT: usize = 3;
/// Repositories that are checked at the same time, and the time limit of each.
const AT_ONCE: usize = 8;
const TIME: Duration = Duration::from_secs(3);
/// Time limit of all checks; the first viewer waits for them.
const ALL_TIME: Duration = Duration::from_secs(5);
/// Time for which the result is cached, for all viewers.
const KEPT_FOR: Duration = Duration::from_secs(20);

/// A recently pushed repository.
#[derive(Clone)]
struct Recent {
    owner: String,
    name: String,
    path: String,
    pushed_us: u64,
}

/// A recently pushed repository as the page shows it.
struct ShownRecent<'p> {
    repository: &'p Recent,
    pushed: Ago,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage<'p> {
    frame: Frame<'p>,
    recent: Vec<ShownRecent<'p>>,
    sign_in: &'static str,
    /// The owner in the page's commands.
    owner: &'p str,
}

/// Cache of the recently pushed repositories, for all viewers.
#[derive(Default)]
pub(in crate::web) struct FrontPage(tokio::sync::Mutex<Option<(Arc<Vec<Recent>>, tokio::time::Instant)>>);

pub(in crate::web) async fn show(web: &Web, head: &Parts, network: &Caller) -> Result<Response, WebError> {
    let _place = super::enter(web, network).await?;
    let viewer = Viewer::of(web, head).await?;
    let (recent, now_us) = (recent(web).await?, (web.settings.clock)());
    let owner = if viewer.account.is_some() { viewer.name.as_str() } else { "alice.example.org" };
    let shown = |repository| ShownRecent { repository, pushed: Ago::of(repository.pushed_us, now_us) };
    let page = HomePage {
        frame: Frame::of_viewer(web, &viewer),
        recent: recent.iter().map(shown).collect(),
        sign_in: Endpoint::SignIn.path(),
        owner,
    };
    Ok(pages::finish(web, None, page.render(), Shown { script: true }))
}

/// Returns the recently pushed repositories in public holds, from the cache if they are there.
async fn recent(web: &Web) -> Result<Arc<Vec<Recent>>, WebError> {
    let mut kept = web.front_page.0.lock().await;
    if let Some((recent, at)) = &*kept
        && at.elapsed() < KEPT_FOR
    {
        return Ok(Arc::clone(recent));
    }
    let rows = web.catalog.recent(LOOKED_AT).await?;
    let mut of_account: HashMap<Did, usize> = HashMap::new();
    let rows = rows.into_iter().filter(|row| {
        let count = of_account.entry(row.account.clone()).or_default();
        *count += 1;
        *count <= OF_ONE_ACCOUNT
    });
    let looks = rows.map(|row| async move {
        let found = async {
            let is_public = web.catalog.captain(&row.hold).await.is_ok_and(|captain| captain.public);
            if !is_public {
                return None;
            }
            let owner = super::find(web, &Owner::Did(row.account.clone()), &Caller::Program).await.ok()?.owner;
            let path = path_of(&owner, &row.name);
            Some(Recent { owner: owner.to_string(), name: row.name.to_string(), path, pushed_us: row.pushed_us })
        };
        timeout(TIME, found).await.ok().flatten()
    });
    let found = stream::iter(looks).buffered(AT_ONCE).filter_map(std::future::ready).take(SHOWN);
    let found = found.take_until(tokio::time::sleep(ALL_TIME));
    let recent = Arc::new(found.collect::<Vec<_>>().await);
    *kept = Some((Arc::clone(&recent), tokio::time::Instant::now()));
    Ok(recent)
}

/// Returns `robots.txt`.
pub(in crate::web) fn robots() -> Response {
    kept_for_a_day(response::full(response::TEXT, "User-agent: *\nDisallow: /auth/\nDisallow: /v2/\n".into()))
}

/// Returns the icon.
pub(in crate::web) fn mark() -> Response {
    let svg = include_str!("../pages/mark.svg");
    kept_for_a_day(response::full(HeaderValue::from_static("image/svg+xml"), svg.into()))
}

fn kept_for_a_day(mut answer: Response) -> Response {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    answer
}
