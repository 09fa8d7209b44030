//! Device authorization for programs. <https://www.rfc-editor.org/rfc/rfc8628>

use http::StatusCode;
use serde_json::json;

use super::form::Fields;
use super::refusal::WebError;
use super::responses::uncached;
use super::{Endpoint, Web, leaving};
use crate::devices::{INTERVAL_S, PollRefusal, REQUEST_LIFE_S};
use server::wire::{Request, Response};
use server::xrpc::{Trace, response};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Handles `POST /auth/device/code`: issues a device code and a user code. `client_id` is the name that the program
/// gives itself.
pub(super) async fn ask(web: &Web, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    let (_, fields) = Fields::of_body(request).await?;
    let asked = web.devices.ask(fields.get("client_id").unwrap_or_default(), trace.client).await?;
    let (page, code) = (format!("{}{}", web.settings.origin, Endpoint::Devices.path()), asked.user_code.to_string());
    let answer = json!({
        "device_code": asked.device_code,
        "user_code": code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={code}"),
        "expires_in": REQUEST_LIFE_S,
        "interval": INTERVAL_S,
    });
    Ok(uncached(response::json(&answer)))
}

/// Handles `POST /auth/device/token`: returns the device's secret once a user has approved it.
pub(super) async fn poll(web: &Web, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    let (_, fields) = Fields::of_body(request).await?;
    if fields.get("grant_type") != Some(GRANT_TYPE) {
        let message = format!("grant_type must be {GRANT_TYPE}");
        return Err(WebError::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", message));
    }
    let code = fields.get("device_code").ok_or_else(|| WebError::bad_form("device_code is missing"))?;
    let device = match web.devices.poll(code, fields.get("client_id")).await {
        Ok(device) => device,
        Err(PollRefusal::Failed(error)) => return Err(error.into()),
        Err(refusal) => return Err(WebError::new(StatusCode::BAD_REQUEST, refusal.name(), refusal.to_string())),
    };
    let answer = json!({
        "device_secret": device.secret,
        "did": device.account,
        "handle": web.name(&device.account).await,
    });
    trace.caller = Some(device.account);
    Ok(uncached(response::json(&answer)))
}

/// Handles `POST /auth/device/end`: revokes the device whose secret is `token`. An unknown secret gets the same
/// response. <https://www.rfc-editor.org/rfc/rfc7009#section-2.2>
pub(super) async fn end(web: &Web, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    let (_, fields) = Fields::of_body(request).await?;
    let secret = fields.get("token").ok_or_else(|| WebError::bad_form("token is missing"))?;
    if let Some(account) = web.devices.end(secret).await? {
        tracing::info!(did = %account, "a device of {account} gave its secret back");
        leaving::end_unused(web, &account).await?;
        trace.caller = Some(account);
    }
    Ok(uncached(response::json(&json!({}))))
}
