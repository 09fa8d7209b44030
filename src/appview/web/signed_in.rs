//! Requests of a signed-in account: pages that show it what is its own, and the forms of these pages.

use http::request::Parts;

use super::Web;
use super::browser::Browser;
use super::form::Fields;
use super::pages::{self, SignInFields};
use super::refusal::WebError;
use super::return_path::ReturnPath;
use atproto::syntax::Did;
use server::wire::{Request, Response};
use server::xrpc::Trace;

/// A request of a signed-in account.
pub(super) struct SignedInRequest {
    pub(super) browser: Browser,
    pub(super) account: Did,
    /// The fields of the query, or of a form whose CSRF token was checked.
    pub(super) fields: Fields,
}

/// Returns the page that `show` makes for the signed-in account; when nobody is signed in, the sign-in page, which leads
/// back to it.
pub(super) async fn page(
    web: &Web,
    head: &Parts,
    trace: &mut Trace,
    show: impl AsyncFnOnce(&Web, SignedInRequest) -> Result<Response, WebError>,
) -> Result<Response, WebError> {
    let (browser, fields) = (Browser::of(web, head)?, Fields::of_query(head));
    let Some(account) = web.browsers.find(browser.hash()).await? else {
        let next = ReturnPath::of_request(web, head);
        return Ok(pages::sign_in(web, &browser, SignInFields { handle: "", next: next.as_ref() }, None));
    };
    trace.caller = Some(account.clone());
    show(web, SignedInRequest { browser, account, fields }).await
}

/// Reads the form of a signed-in account, and checks its CSRF token.
pub(super) async fn form(web: &Web, request: Request, trace: &mut Trace) -> Result<SignedInRequest, WebError> {
    let (browser, account) = sender(web, &request.head, trace).await?;
    let (head, fields) = Fields::of_body(request).await?;
    browser.check(web, &head, fields.get("token").unwrap_or_default())?;
    Ok(SignedInRequest { browser, account, fields })
}

/// Returns the browser that sends a form, and the account that is signed in in it. It is checked before the form is
/// read.
pub(super) async fn sender(web: &Web, head: &Parts, trace: &mut Trace) -> Result<(Browser, Did), WebError> {
    let browser = Browser::of(web, head)?;
    let account = web.browsers.find(browser.hash()).await?.ok_or_else(WebError::forged)?;
    trace.caller = Some(account.clone());
    Ok((browser, account))
}
