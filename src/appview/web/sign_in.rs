//! Sign-ins in a browser: the form, the redirect to the authorization server, and the callback.

use std::sync::Arc;

use http::request::Parts;
use tokio::time::Instant;

use super::browser::Browser;
use super::endpoint::FORM_TIME;
use super::form::Fields;
use super::pages::SignInFields;
use super::refusal::WebError;
use super::return_path::ReturnPath;
use super::{Endpoint, Web, leaving, pages, responses};
use crate::accounts::{Callback, SignInError, SignedIn};
use crate::names::{self, Owner};
use server::bulkhead::Caller;
use server::egress::answer_within;
use server::identity::{Account, ResolveError};
use server::wire::{Request, Response};
use server::xrpc::{Trace, header};

/// Longest handle that a link fills into the form.
const MAX_HANDLE_CHARS: usize = 253;

/// Handles `GET`: shows the form. A sign-in begins only when the form is sent: a stranger's link signs nobody in.
pub(super) fn show(web: &Web, head: &Parts) -> Result<Response, WebError> {
    let (fields, browser) = (Fields::of_query(head), Browser::of(web, head)?);
    let next = ReturnPath::of_link(fields.get("next"), fields.get("user_code"));
    let handle = fields.get("handle").and_then(|handle| server::text::line(handle, MAX_HANDLE_CHARS));
    let typed = SignInFields { handle: &handle.unwrap_or_default(), next: next.as_ref() };
    Ok(pages::sign_in(web, &browser, typed, None))
}

/// Handles `POST`: begins a sign-in and redirects the browser to the authorization server.
pub(super) async fn begin(web: &Web, request: Request, network: &Caller) -> Result<Response, WebError> {
    let (head, fields) = Fields::of_body(request).await?;
    let browser = Browser::of(web, &head)?;
    let name = fields.get("handle").unwrap_or_default();
    let next = ReturnPath::of_link(fields.get("next"), fields.get("user_code"));
    let begun = match browser.check(web, &head, fields.get("token").unwrap_or_default()) {
        Ok(()) => {
            announce(web, &browser, SignInFields { handle: names::typed(name), next: next.as_ref() }, network).await
        }
        // Another tab has signed in, or got the first cookie, since the form was shown. A form of another site is not answered
        // with one of ours: it would come with another cookie, which signs the browser out.
        Err(_) if header(&head, "sec-fetch-site") == Some("same-origin") => Err(WebError::outdated()),
        Err(error) => return Err(error),
    };
    match begun {
        Ok(url) => Ok(responses::go(&url)),
        Err(error) => {
            let name = server::text::line(name, MAX_HANDLE_CHARS).unwrap_or_default();
            let typed = SignInFields { handle: &name, next: next.as_ref() };
            Ok(pages::sign_in(web, &browser, typed, Some(&error)))
        }
    }
}

/// Begins a sign-in. Returns the URL at the authorization server.
async fn announce(web: &Web, browser: &Browser, typed: SignInFields<'_>, network: &Caller) -> Result<String, WebError> {
    web.sign_in_limit.check(network, Instant::now()).map_err(too_many)?;
    let _slot = web.sign_in_slots.try_acquire().map_err(|_| WebError::from(SignInError::TooMany))?;
    let next = typed.next.map(|page| page.as_str().to_owned());
    let url = match whom(web, typed.handle, network).await? {
        Named::Account(account) => web.sign_ins.begin(&account, browser.hash(), next).await?,
        Named::Server(origin) => web.sign_ins.begin_at(&origin, browser.hash(), next).await?,
    };
    web.sign_in_limit.begun(network, Instant::now());
    Ok(url)
}

fn too_many(retry_s: u64) -> WebError {
    WebError::too_many("too many sign-ins were begun from your network: try again in some minutes").after(retry_s)
}

/// The account or the server that the user named in the sign-in form.
enum Named {
    Account(Arc<Account>),
    /// A PDS, or an authorization server of many PDSes, by its origin.
    Server(String),
}

/// Resolves a handle, a DID, or the URL of a PDS. A host name that is no account's handle is taken for a PDS.
async fn whom(web: &Web, name: &str, network: &Caller) -> Result<Named, WebError> {
    if name.contains("://") {
        let origin = web.client.origin(&name.to_ascii_lowercase());
        let wrong = || WebError::bad_form("the address of a PDS is https:// and its host: https://pds.example.org");
        return origin.map(Named::Server).ok_or_else(wrong);
    }
    let unknown = |error| {
        let message =
            format!("{error}. Type all of your handle (alice.example.org), your DID, or the address of your PDS");
        WebError::bad_form(message)
    };
    let owner = Owner::parse(name.trim_start_matches('@')).map_err(unknown)?;
    match (web.owners.find(&owner, network).await, &owner) {
        (Ok(account), _) => Ok(Named::Account(account)),
        (Err(ResolveError::NotFound), Owner::Handle(host)) => {
            let origin = web.client.origin(&format!("https://{host}"));
            origin.map(Named::Server).ok_or_else(|| ResolveError::NotFound.into())
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// Handles the callback: ends the sign-in, and signs the browser in with a new cookie.
pub(super) async fn end(web: &Web, head: &Parts, trace: &mut Trace) -> Result<Response, WebError> {
    let (fields, browser) = (Fields::of_query(head), Browser::of(web, head)?);
    let text = |name: &str| fields.get(name).map(str::to_owned);
    let callback = Callback {
        state: text("state").unwrap_or_default(),
        issuer: text("iss"),
        code: text("code"),
        error: text("error"),
    };
    let ending = async { Ok::<_, WebError>(web.sign_ins.end(browser.hash(), callback).await?) };
    let SignedIn { login, return_to, guard } = answer_within(FORM_TIME, ending).await?;
    tracing::info!(did = %login.account, "{} signed in by a browser", login.account);
    let signed_in = Browser::fresh(web)?;
    let former = web.browsers.find(browser.hash()).await?;
    web.browsers.begin(signed_in.hash(), &login.account).await?;
    drop(guard);
    web.sign_ins.renew_browser(browser.hash(), signed_in.hash()).await?;
    web.browsers.end(browser.hash()).await?;
    if let Some(former) = former.filter(|former| *former != login.account) {
        leaving::end_unused(web, &former).await?;
    }
    trace.caller = Some(login.account);
    let next = return_to.as_deref().and_then(ReturnPath::parse);
    let mut response = responses::go(next.as_ref().map_or(Endpoint::Settings.path(), ReturnPath::as_str));
    signed_in.keep(web, &mut response, true);
    Ok(response)
}

/// Handles `POST`: signs the browser out. Devices stay approved, and while there are any the session at the PDS
/// continues.
pub(super) async fn sign_out(web: &Web, request: Request) -> Result<Response, WebError> {
    let (head, fields) = Fields::of_body(request).await?;
    let browser = Browser::of(web, &head)?;
    browser.check(web, &head, fields.get("token").unwrap_or_default())?;
    let account = web.browsers.find(browser.hash()).await?;
    web.browsers.end(browser.hash()).await?;
    let ended = match &account {
        Some(account) => leaving::end_unused(web, account).await?,
        None => None,
    };
    Ok(leaving::signed_out(web, ended.as_ref()))
}
