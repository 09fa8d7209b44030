//! The viewer of a page.

use http::request::Parts;

use super::Web;
use super::browser::Browser;
use super::refusal::WebError;
use super::return_path::ReturnPath;
use super::times::time;
use crate::accounts::{AccountsError, ENDS_SOON_US, Login};
use atproto::syntax::Did;

/// Returns the time when the browser's session or the account's OAuth session ends, whichever is first, if that is
/// soon. Microseconds since 1970.
async fn ends_soon(web: &Web, browser: &Browser, account: &Did) -> Result<Option<u64>, WebError> {
    let soon_us = (web.settings.clock)() + ENDS_SOON_US;
    let browser = web.browsers.until(browser.hash()).await?.filter(|until_us| *until_us < soon_us);
    Ok(browser.into_iter().chain(web.sessions.oauth_ends_soon(account).await?).min())
}

/// The viewer of a page: a signed-in account, or nobody.
#[derive(Default)]
pub(super) struct Viewer {
    browser: Option<Browser>,
    pub(super) account: Option<Did>,
    pub(super) name: String,
    /// Time when the viewer must sign in again, if that is soon.
    pub(super) ends: Option<String>,
    /// The page that a sign-in returns to.
    page: Option<ReturnPath>,
}

impl Viewer {
    /// Returns the viewer who sent a request.
    pub(super) async fn of(web: &Web, head: &Parts) -> Result<Self, WebError> {
        Self::in_browser(web, Browser::known(web, head), ReturnPath::of_request(web, head)).await
    }

    /// Returns the viewer of `page` who uses this browser; nobody without one.
    pub(super) async fn in_browser(
        web: &Web,
        browser: Option<Browser>,
        page: Option<ReturnPath>,
    ) -> Result<Self, WebError> {
        let account = match &browser {
            Some(browser) => web.browsers.find(browser.hash()).await?,
            None => None,
        };
        match (browser, account) {
            (Some(browser), Some(account)) => Ok(Self { page, ..Self::of_account(web, browser, account).await }),
            _ => Ok(Self { page, ..Self::default() }),
        }
    }

    /// Returns the viewer of the page at `path` for an account that is signed in in this browser.
    pub(super) async fn signed_in(web: &Web, browser: Browser, account: Did, path: &str) -> Self {
        Self { page: ReturnPath::parse(path), ..Self::of_account(web, browser, account).await }
    }

    async fn of_account(web: &Web, browser: Browser, account: Did) -> Self {
        let name = web.name(&account).await;
        let ends = ends_soon(web, &browser, &account).await.ok().flatten().map(time);
        Self { browser: Some(browser), account: Some(account), name, ends, page: None }
    }

    /// Returns the CSRF token of the viewer's forms; empty for nobody.
    pub(super) fn form_token(&self) -> String {
        self.browser.map(|browser| browser.form_token()).unwrap_or_default()
    }

    /// Returns the link to the sign-in page, which leads back to the viewer's page.
    pub(super) fn sign_in(&self) -> String {
        ReturnPath::sign_in(self.page.as_ref())
    }

    /// Returns the page that the viewer is on; for a form, that which had it.
    pub(super) fn page(&self) -> Option<&str> {
        self.page.as_ref().map(ReturnPath::as_str)
    }

    /// Whether the viewer is this account.
    pub(super) fn is(&self, account: &Did) -> bool {
        self.account.as_ref() == Some(account)
    }

    /// Returns the viewer's OAuth session; `None` for nobody, and when the session has ended.
    pub(super) async fn login(&self, web: &Web) -> Result<Option<Login>, AccountsError> {
        let Some(account) = &self.account else { return Ok(None) };
        match web.sessions.by_oauth(account).await {
            Ok(login) => Ok(Some(login)),
            Err(AccountsError::SessionEnded | AccountsError::Inactive(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
