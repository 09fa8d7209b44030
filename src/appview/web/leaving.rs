//! Signing out: of a browser, and of the session at the account's PDS once nothing here uses it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::request::Parts;

use super::browser::{self, Browser};
use super::browser_sessions::BrowserSessions;
use super::pages::{self, Frame, Shown};
use super::{Endpoint, Web, responses};
use crate::accounts::{AccountsError, SessionEnd};
use crate::cache::TimedCache;
use crate::devices::Devices;
use crate::images::Images;
use atproto::syntax::Did;
use server::storage::StorageError;
use server::wire::Response;

/// Accounts whose sessions are ended at once: each waits for a server of the account's choice.
const AT_ONCE: usize = 8;

/// How long a form that ended the browser's session may come a second time, as by a double click.
const AGAIN_FOR: Duration = Duration::from_mins(1);
/// Number of browsers that are remembered for it, at some 60 bytes.
const MAX_LEFT: usize = 4096;

/// Browsers whose session was ended a moment ago by a form of their own, by the hash of the cookie.
pub(super) type LeftBrowsers = TimedCache<[u8; 32], ()>;

pub(super) fn remembered() -> LeftBrowsers {
    TimedCache::new(MAX_LEFT, AGAIN_FOR)
}

/// Whether the browser that sends a form has left a moment ago: the form comes a second time.
pub(super) fn has_left(web: &Web, head: &Parts) -> bool {
    Browser::known(web, head).is_some_and(|browser| web.left_browsers.get(&browser.hash()).is_some())
}

/// Runs `work`, which ends the browser's session. A second form that comes meanwhile, or a moment later, has left.
pub(super) async fn leave<T, E>(
    web: &Web,
    browser: &Browser,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    web.left_browsers.insert(browser.hash(), ());
    work.await.inspect_err(|_| web.left_browsers.remove(&browser.hash()))
}

#[derive(Template)]
#[template(path = "left.html")]
struct LeftPage<'p> {
    frame: Frame<'p>,
    title: &'p str,
    said: &'p [String],
    again: &'static str,
}

/// Ends the account's OAuth session if no browser, device or notice uses it any more. Returns how it ended, if it did.
pub(super) async fn end_unused(web: &Web, account: &Did) -> Result<Option<SessionEnd>, AccountsError> {
    let (browsers, devices, images) = (&web.browsers, &web.devices, &web.images);
    if is_used(browsers, devices, images, account).await? {
        return Ok(None);
    }
    let (browsers, devices, images, did) = (browsers.clone(), Arc::clone(devices), Arc::clone(images), account.clone());
    // Looked at again once no sign-in is under way: one that has just ended has its browser by then.
    let is_used = async move { is_used(&browsers, &devices, &images, &did).await };
    web.sessions.end_by_oauth_unless(account, is_used).await
}

/// Ends the OAuth sessions of all accounts that no browser, device or notice uses any more. Returns their number.
pub(super) async fn end_all_unused(web: &Web) -> Result<usize, AccountsError> {
    let (browsers, devices) = (web.browsers.by_account().await?, web.devices.by_account().await?);
    let used: HashSet<Did> = browsers.into_iter().chain(devices).map(|(account, _)| account).collect();
    let sessions = web.sessions.list().await?.into_iter();
    let unused = sessions.filter(|session| session.by_oauth && !used.contains(&session.account));
    let ends = stream::iter(unused).map(|session| async move { end_unused(web, &session.account).await });
    let ends: Vec<_> = ends.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(ends.into_iter().flatten().count())
}

/// Whether a browser, a device or a notice uses the account's OAuth session.
async fn is_used(
    browsers: &BrowserSessions,
    devices: &Devices,
    images: &Images,
    account: &Did,
) -> Result<bool, StorageError> {
    Ok(!browsers.of_account(account).await?.is_empty()
        || devices.act_for(account).await?
        || !images.waiting_of(account).await?.is_empty())
}

/// Returns a message about the first session that could not be ended at the account's PDS, if there is one.
pub(super) fn left(ended: &[SessionEnd]) -> Option<String> {
    let why = ended.iter().find_map(|session| session.left.as_deref())?;
    Some(format!(
        "The registry has ended its session, but your own server could not be told to end it there: {why}. It ends there by \
         itself in time; to end it now, go to your account’s settings at that server."
    ))
}

/// Deletes the browser's cookie and redirects to `next`, or shows a page with the messages `said` and this title.
pub(super) fn gone(web: &Web, title: &str, said: &[String], next: &str) -> Response {
    let mut response = if said.is_empty() {
        responses::go(next)
    } else {
        let page = LeftPage { frame: Frame::of_nobody(web), title, said, again: Endpoint::SignIn.path() };
        pages::finish(web, None, page.render(), Shown::default())
    };
    browser::forget(web, &mut response);
    response
}

/// Returns the response after signing out, with a message if the session could not be ended at the PDS.
pub(super) fn signed_out(web: &Web, ended: Option<&SessionEnd>) -> Response {
    let said = ended.and_then(|ended| left(std::slice::from_ref(ended)));
    gone(web, "You are signed out", said.as_slice(), Endpoint::SignIn.path())
}
