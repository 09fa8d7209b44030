//! The front page: what this registry is, how to push, and recent pushes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use futures_util::{StreamExt as _, stream};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use tokio::time::{Instant, timeout};

use super::shown::{Ago, path_of};
use crate::names::Owner;
use crate::web::Web;
use crate::web::pages::{self, Frame, Shown};
use crate::web::refusal::WebError;
use crate::web::viewer::Viewer;
use atproto::syntax::Did;
use server::bulkhead::Caller;
use server::nonpoison::{Mutex, MutexGuard};
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
/// Time that a viewer waits for a newer result.
const SOON: Duration = Duration::from_millis(500);

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
    /// The owner in the page's commands.
    owner: String,
}

/// Cache of the recently pushed repositories, for all viewers.
#[derive(Default)]
pub(in crate::web) struct FrontPage {
    kept: Mutex<Option<(Arc<Vec<Recent>>, Instant)>>,
    /// One look-up at a time.
    look_up: tokio::sync::Mutex<()>,
}

impl FrontPage {
    fn kept(&self) -> MutexGuard<'_, Option<(Arc<Vec<Recent>>, Instant)>> {
        self.kept.lock()
    }

    /// Returns the cached list, or that of `look`. Nobody waits long for holds that do not answer where there is an older list:
    /// the look-ups at them go on by themselves, and one of the next viewers has their answers.
    async fn get(
        &self,
        look: impl Future<Output = Result<Vec<Recent>, WebError>>,
    ) -> Result<Arc<Vec<Recent>>, WebError> {
        let last = self.kept().clone();
        let looked = async {
            let recent = Arc::new(look.await?);
            *self.kept() = Some((Arc::clone(&recent), Instant::now()));
            Ok(recent)
        };
        match last {
            Some((recent, at)) if at.elapsed() < KEPT_FOR => Ok(recent),
            Some((recent, _)) => {
                let Ok(_guard) = self.look_up.try_lock() else { return Ok(recent) };
                timeout(SOON, looked).await.unwrap_or(Ok(recent))
            }
            None => {
                let _guard = self.look_up.lock().await;
                let recent = self.kept().as_ref().map(|(recent, _)| Arc::clone(recent));
                match recent {
                    Some(recent) => Ok(recent),
                    None => looked.await,
                }
            }
        }
    }
}

pub(in crate::web) async fn show(web: &Web, head: &Parts, network: &Caller) -> Result<Response, WebError> {
    let _slot = super::enter(web, network).await?;
    let viewer = Viewer::of(web, head).await?;
    let (recent, now_us) = (web.front_page.get(look(web)).await?, (web.settings.clock)());
    // An account without a handle is written with hyphens: no image's name has a colon.
    let owner = viewer.account.as_ref().and_then(|_| Owner::parse(&viewer.name).ok());
    let owner = owner.map_or_else(|| "alice.example.org".to_owned(), |owner| owner.to_string());
    let shown = |repository| ShownRecent { repository, pushed: Ago::of(repository.pushed_us, now_us) };
    let page = HomePage { frame: Frame::of_viewer(web, &viewer), recent: recent.iter().map(shown).collect(), owner };
    Ok(pages::finish(web, None, page.render(), Shown::default()))
}

/// Returns the recently pushed repositories in public holds.
async fn look(web: &Web) -> Result<Vec<Recent>, WebError> {
    let rows = web.catalog.recent(LOOKED_AT).await?;
    let mut of_account: HashMap<Did, usize> = HashMap::new();
    let rows = rows.into_iter().filter(|row| {
        let count = of_account.entry(row.account.clone()).or_default();
        *count += 1;
        *count <= OF_ONE_ACCOUNT
    });
    let looks = rows.map(|row| async move {
        let found = async {
            if web.index.is_inactive(&row.account).await.ok()? {
                return None;
            }
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
    Ok(found.collect().await)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn list(name: &str) -> Vec<Recent> {
        vec![Recent { owner: "a.test".into(), name: name.into(), path: String::new(), pushed_us: 1 }]
    }

    #[tokio::test(start_paused = true)]
    async fn only_who_comes_first_waits_for_holds_that_do_not_answer() {
        let page = FrontPage::default();
        let get = async |name: &'static str, wait_s: u64| {
            let look = async {
                tokio::time::sleep(Duration::from_secs(wait_s)).await;
                Ok(list(name))
            };
            page.get(look).await.unwrap()[0].name.clone()
        };
        let (one, other) = tokio::join!(get("first", 4), get("second", 0));
        assert_eq!((one.as_str(), other.as_str()), ("first", "first"));
        tokio::time::advance(KEPT_FOR).await;
        let (slow, meanwhile) = tokio::join!(get("slow", 60), get("quick", 0));
        assert_eq!((slow.as_str(), meanwhile.as_str()), ("first", "first"), "the older list is shown");
        assert_eq!(get("quick", 0).await, "quick");
        assert_eq!(get("later", 0).await, "quick", "it is kept");
        assert!(page.get(async { Err(WebError::forged()) }).await.is_ok());
        tokio::time::advance(KEPT_FOR).await;
        assert!(page.get(async { Err(WebError::forged()) }).await.is_err());
    }
}
