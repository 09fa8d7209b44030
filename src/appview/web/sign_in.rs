//! Sign-ins in a browser: the page that asks for a name, the way to the account's PDS, and the way back.

use std::sync::Arc;

use http::request::Parts;

use super::browser::Browser;
use super::form::Fields;
use super::refusal::WebError;
use super::{Endpoint, Web, leaving, pages};
use crate::accounts::{Callback, SignInError};
use crate::devices::UserCode;
use crate::names::Owner;
use server::bulkhead::Caller;
use server::identity::{Account, ResolveError};
use server::wire::{Request, Response};
use server::xrpc::Trace;

/// Of a name that a link fills in.
const MAX_HANDLE_CHARS: usize = 253;

/// `GET`: a form for the name. Nothing begins before it is sent: a link of a stranger signs nobody in.
pub(super) fn show(web: &Web, head: &Parts) -> Result<Response, WebError> {
    let (fields, browser) = (Fields::of_query(head), Browser::of(web, head)?);
    let code = fields.get("user_code").and_then(UserCode::parse);
    let handle = fields.get("handle").and_then(|handle| server::text::line(handle, MAX_HANDLE_CHARS));
    Ok(pages::sign_in(web, &browser, &handle.unwrap_or_default(), code.as_ref()))
}

/// `POST`: the browser goes to the account's PDS.
pub(super) async fn begin(web: &Web, request: Request, network: &Caller) -> Result<Response, WebError> {
    let (head, fields) = Fields::of_body(request).await?;
    let browser = Browser::of(web, &head)?;
    browser.check(web, &head, fields.get("token").unwrap_or_default())?;
    let name = fields.get("handle").unwrap_or_default().trim();
    let code = fields.get("user_code").and_then(UserCode::parse).map(|code| code.to_string());
    let _turn = web.beginning.try_acquire().map_err(|_| WebError::from(SignInError::TooMany))?;
    let url = match whom(web, name, network).await? {
        Named::Account(account) => web.sign_ins.begin(&account, browser.hash(), code).await?,
        Named::Server(origin) => web.sign_ins.begin_at(&origin, browser.hash(), code).await?,
    };
    Ok(pages::go(&url))
}

/// What somebody typed in to sign in.
enum Named {
    Account(Arc<Account>),
    /// A PDS, or a server of many, by its origin.
    Server(String),
}

/// Reads a handle, a DID, or the address of a PDS. A host that is nobody's handle is taken for a PDS.
async fn whom(web: &Web, name: &str, network: &Caller) -> Result<Named, WebError> {
    if name.contains("://") {
        let origin = web.client.origin(&name.to_ascii_lowercase());
        let wrong = || WebError::bad_form("the address of a PDS is https:// and its host: https://pds.example.org");
        return origin.map(Named::Server).ok_or_else(wrong);
    }
    let owner = Owner::parse(name.trim_start_matches('@')).map_err(|error| WebError::bad_form(error.to_string()))?;
    match (web.owners.find(&owner, network).await, &owner) {
        (Ok(account), _) => Ok(Named::Account(account)),
        (Err(ResolveError::NotFound), Owner::Handle(host)) => {
            let origin = web.client.origin(&format!("https://{host}"));
            origin.map(Named::Server).ok_or_else(|| ResolveError::NotFound.into())
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// The browser comes back, and is somebody's from now on.
pub(super) async fn end(web: &Web, head: &Parts, trace: &mut Trace) -> Result<Response, WebError> {
    let (fields, browser) = (Fields::of_query(head), Browser::of(web, head)?);
    let text = |name: &str| fields.get(name).map(str::to_owned);
    let callback = Callback {
        state: text("state").unwrap_or_default(),
        issuer: text("iss"),
        code: text("code"),
        error: text("error"),
    };
    let (login, code) = web.sign_ins.end(browser.hash(), callback).await?;
    tracing::info!(did = %login.account, "{} signed in by a browser", login.account);
    let signed_in = Browser::fresh(web)?;
    web.browsers.begin(signed_in.hash(), &login.account).await?;
    web.browsers.end(browser.hash()).await?;
    trace.caller = Some(login.account);
    let mut response = pages::go(&next_url(code.and_then(|code| UserCode::parse(&code)).as_ref()));
    signed_in.keep(web, &mut response, true);
    Ok(response)
}

/// The browser is nobody's any more. Devices go on, and while there are any so does the session at the account's server.
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

/// Where somebody goes on: to the device that was to be decided on, or to the settings.
fn next_url(code: Option<&UserCode>) -> String {
    let settings = || Endpoint::Settings.path().to_owned();
    code.map_or_else(settings, |code| format!("{}?user_code={code}", Endpoint::Devices.path()))
}
