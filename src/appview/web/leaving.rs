//! Signing out: of a browser, and of the session at the account's PDS once nothing here uses it.

use askama::Template;

use super::browser;
use super::pages::{self, Frame, Shown};
use super::refusal::WebError;
use super::{Endpoint, Web};
use crate::accounts::SessionEnd;
use atproto::syntax::Did;
use server::wire::Response;

#[derive(Template)]
#[template(path = "left.html")]
struct LeftPage<'p> {
    frame: Frame<'p>,
    title: &'p str,
    said: &'p [String],
    again: &'static str,
}

/// Ends the account's OAuth session if no browser, device or notice uses it any more. Returns how it ended, if it did.
pub(super) async fn end_unused(web: &Web, account: &Did) -> Result<Option<SessionEnd>, WebError> {
    let is_used = !web.browsers.of_account(account).await?.is_empty()
        || web.devices.act_for(account).await?
        || !web.images.waiting_of(account).await?.is_empty();
    if is_used { Ok(None) } else { Ok(web.sessions.end_by_oauth(account).await?) }
}

/// Returns a message about the first session that could not be ended at the account's PDS, if there is one.
pub(super) fn left(ended: &[SessionEnd]) -> Option<String> {
    let why = ended.iter().find_map(|session| session.left.as_deref())?;
    Some(format!(
        "The registry has forgotten its session at your own server, but that server could not be told to end it: {why}. It \
         ends there by itself in time; to end it now, go to your account’s settings at that server."
    ))
}

/// Deletes the browser's cookie and redirects to `next`, or shows a page with the messages `said` and this title.
pub(super) fn gone(web: &Web, title: &str, said: &[String], next: &str) -> Response {
    let mut response = if said.is_empty() {
        pages::go(next)
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
