//! The pages of devices for their owner: approval of a waiting one, and the list of approved ones.

use super::browser::Browser;
use super::refusal::WebError;
use super::signed_in::{self, SignedInRequest};
use super::{Endpoint, Web, pages, responses};
use crate::devices::UserCode;
use atproto::syntax::Did;
use server::bulkhead::Caller;
use server::wire::{Request, Response};
use server::xrpc::Trace;

/// Handles `GET`: shows the device that waits with the query's code, which nobody sees without a sign-in; without a code, the
/// list of devices and a field for one.
pub(super) async fn show(web: &Web, request: SignedInRequest, network: Caller) -> Result<Response, WebError> {
    let SignedInRequest { browser, account, fields } = request;
    let typed = fields.get("user_code");
    let code = typed.and_then(UserCode::parse);
    let Some(typed) = typed else { return overview(web, &browser, &account, browser.said(&fields)).await };
    let guess = web.guesses.begin(&account, network).map_err(too_many_codes)?;
    let waiting = match &code {
        Some(code) => web.devices.waiting(code).await?,
        None => None,
    };
    if let Some(waiting) = waiting {
        guess.was_right();
        return Ok(pages::approve(web, &browser, &account, &web.name(&account).await, &waiting));
    }
    let message = format!("No device waits for the code {}. Codes are good for 15 minutes.", shown(typed));
    overview(web, &browser, &account, &message).await
}

/// Handles `POST`: approves or refuses a device.
pub(super) async fn decide(web: &Web, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    let SignedInRequest { browser, account, fields } = signed_in::form(web, request, trace).await?;
    let code = fields.get("user_code").and_then(UserCode::parse);
    let code = code.ok_or_else(|| WebError::bad_form("the code is missing"))?;
    let is_let_in = match fields.get("decision") {
        Some("allow") => true,
        Some("refuse") => false,
        _ => return Err(WebError::bad_form("allow the device, or refuse it")),
    };
    let guess = web.guesses.begin(&account, trace.network()).map_err(too_many_codes)?;
    if !web.devices.decide(&code, &account, is_let_in).await? {
        let message = "This device does not wait any more: start again on the device.";
        return Ok(browser.go_and_say(Endpoint::Devices.path(), message));
    }
    guess.was_right();
    let message = if is_let_in {
        tracing::info!(did = %account, "a device was let in for {account}");
        "The device is authorized. You can go back to it, and close this page."
    } else {
        "The device was denied."
    };
    Ok(browser.go_and_say(Endpoint::Devices.path(), message))
}

/// Handles `POST`: revokes a device.
pub(super) async fn revoke(web: &Web, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    let SignedInRequest { account, fields, .. } = signed_in::form(web, request, trace).await?;
    let id = fields.get("device").and_then(|id| id.parse().ok());
    let id = id.ok_or_else(|| WebError::bad_form("the device is missing"))?;
    if web.devices.revoke(&account, id).await? {
        tracing::info!(did = %account, "a device of {account} was revoked");
    }
    Ok(responses::go(Endpoint::Devices.path()))
}

async fn overview(web: &Web, browser: &Browser, account: &Did, message: &str) -> Result<Response, WebError> {
    let devices = web.devices.of_account(account).await?;
    Ok(pages::devices(web, browser, &web.name(account).await, message, &devices))
}

fn too_many_codes(retry_s: u64) -> WebError {
    WebError::too_many("too many wrong codes: try again in a quarter of an hour").after(retry_s)
}

/// Returns the typed text, cut to 20 characters.
fn shown(text: &str) -> String {
    server::text::line(text, 20).unwrap_or_default()
}
