//! What is held of an account, for the person to take away as a file and to delete.

use askama::Template;
use http::HeaderValue;
use http::header::CONTENT_DISPOSITION;
use serde::Serialize;

use super::pages::{self, Frame, Shown};
use super::refusal::WebError;
use super::responses::uncached;
use super::signed_in::{self, SignedInRequest};
use super::viewer::Viewer;
use super::{Endpoint, Held, Web, leaving};
use atproto::syntax::Did;
use server::wire::{Request, Response};
use server::xrpc::{Trace, response};

#[derive(Serialize)]
struct Document<'d> {
    account: &'d Did,
    #[serde(flatten)]
    held: Held,
}

#[derive(Template)]
#[template(path = "forget.html")]
struct ForgetPage<'p> {
    frame: Frame<'p>,
    name: &'p str,
    devices: String,
    webhooks: String,
    /// Images of which a hold has not been told yet.
    untold: Option<String>,
    action: &'static str,
    back: &'static str,
}

/// `GET`: all of it, as a file.
pub(super) async fn show(web: &Web, request: SignedInRequest) -> Result<Response, WebError> {
    let account = request.account;
    let held = web.held(&account).await?;
    let mut response = uncached(response::json(&Document { account: &account, held }));
    let name = HeaderValue::from_static("attachment; filename=\"account.json\"");
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    Ok(response)
}

/// `POST`: asks whether somebody is sure, and deletes all of it.
pub(super) async fn forget(web: &Web, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    if leaving::has_left(web, &request.head) {
        return Ok(deleted(web, &[]));
    }
    let SignedInRequest { browser, account: did, fields } = signed_in::form(web, request, trace).await?;
    if fields.get("sure") != Some("yes") {
        let held = web.held(&did).await?;
        let devices = server::text::with_noun(held.devices.len() as u64, "device");
        let webhooks = server::text::with_noun(held.webhooks.len() as u64, "webhook");
        let untold = held.notices.len() as u64;
        let viewer = Viewer::signed_in(web, browser, did, Endpoint::Settings.path()).await;
        let page = ForgetPage {
            frame: Frame::of_viewer(web, &viewer),
            name: &viewer.name,
            devices,
            webhooks,
            untold: (untold > 0).then(|| server::text::with_noun(untold, "image")),
            action: Endpoint::ForgetAccount.path(),
            back: Endpoint::Settings.path(),
        };
        return Ok(pages::finish(web, None, page.render(), Shown::default()));
    }
    let untold = web.images.tell_now(&did).await?.len() as u64;
    let ended = leaving::leave(web, &browser, web.forget(&did)).await?.ended;
    tracing::info!(%did, "{did} deleted what was held of it");
    let untold = (untold > 0).then(|| server::text::with_noun(untold, "image"));
    let untold = untold.map(|images| {
        format!(
            "Of {images} the hold does not know, and it will not be told: push again, or it may remove their layers."
        )
    });
    let said: Vec<_> = untold.into_iter().chain(leaving::left(&ended)).collect();
    Ok(deleted(web, &said))
}

/// Returns the response after the deletion, with what is to be said of it.
fn deleted(web: &Web, said: &[String]) -> Response {
    leaving::gone(web, "Your data is deleted", said, Endpoint::Home.path())
}
