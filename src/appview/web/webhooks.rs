//! The pages of a repository's webhooks for its owner, with their deliveries. Of responses the pages show the status
//! only: what a server answers to the registry is not for the user who named the server.

use askama::Template;
use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;

use super::browser::Browser;
use super::form::Fields;
use super::pages::{self, Frame, Shown};
use super::refusal::WebError;
use super::repository_settings::image_name;
use super::settings::own;
use super::signed_in::{self, SignedInRequest};
use super::site::Ago;
use super::times::time;
use super::viewer::Viewer;
use super::{Endpoint, Web, responses};
use crate::webhooks::{Delivery, NewWebhook, Webhook, WebhookEvent, WebhooksError};
use atproto::syntax::{Did, ImageName};
use server::wire::{Request, Response};
use server::xrpc::Trace;

/// Longest text of a field that a form which was refused is shown with.
const MAX_FIELD_CHARS: usize = 2048;

/// A webhook in the list.
struct ShownWebhook {
    path: String,
    url: String,
    words: String,
}

#[derive(Template)]
#[template(path = "webhooks.html")]
struct WebhooksPage<'p> {
    frame: Frame<'p>,
    name: &'p str,
    path: String,
    settings: String,
    /// URL and secret of the webhook that was just added.
    added: Option<(String, String)>,
    form: Form,
    /// Random text that tells one page's form from another's.
    once: String,
    webhooks: Vec<ShownWebhook>,
    action: &'static str,
}

/// What came of the form that adds a webhook, and what it has in its fields.
#[derive(Default)]
struct Form {
    added: Option<NewWebhook>,
    /// Why the webhook was not added.
    problem: Option<String>,
    url: String,
    secret: String,
}

/// A delivery in the list.
struct ShownDelivery {
    id: i64,
    what: String,
    event: String,
    outcome: String,
    is_wrong: bool,
    /// Number of attempts, and the duration of the last one.
    attempts: String,
    queued: Ago,
    /// Whether the delivery has ended, so that it may be repeated.
    has_ended: bool,
}

#[derive(Template)]
#[template(path = "webhook.html")]
struct WebhookPage<'p> {
    frame: Frame<'p>,
    name: &'p str,
    back: String,
    message: &'p str,
    webhook: &'p Webhook,
    words: String,
    added: String,
    deliveries: Vec<ShownDelivery>,
    action: &'static str,
}

#[derive(Template)]
#[template(path = "delete_webhook.html")]
struct DeleteWebhookPage<'p> {
    frame: Frame<'p>,
    name: &'p str,
    webhook: &'p Webhook,
    action: &'static str,
    back: String,
}

/// Handles `GET`: shows the webhooks of the query's repository.
pub(super) async fn show_all(web: &Web, request: SignedInRequest) -> Result<Response, WebError> {
    let SignedInRequest { browser, account: did, fields } = request;
    overview(web, browser, did, &image_name(&fields)?, Form::default()).await
}

/// Handles `POST`: adds a webhook.
pub(super) async fn add(web: &Web, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    let SignedInRequest { browser, account: did, fields } = signed_in::form(web, request, trace).await?;
    let name = image_name(&fields)?;
    let url = fields.get("url").unwrap_or_default();
    let secret = fields.get("secret").map(str::trim).filter(|secret| !secret.is_empty());
    let made = fields.get("once").map(|once| browser.webhook_secret(once, url));
    match web.webhooks.add(&did, &name, url, secret.or(made.as_deref())).await.map_err(WebError::from) {
        Ok(added) => {
            tracing::info!(%did, "{did} added a webhook to {name}");
            overview(web, browser, did, &name, Form { added: Some(added), ..Form::default() }).await
        }
        // The form is shown again, with what was typed.
        Err(error) => {
            let line = |text: &str| server::text::line(text, MAX_FIELD_CHARS).unwrap_or_default();
            let (url, secret) = (line(url), line(secret.unwrap_or_default()));
            let form = Form { url, secret, problem: Some(error.sentence()), added: None };
            Ok(error.mark(overview(web, browser, did, &name, form).await?))
        }
    }
}

/// Handles `GET`: shows the query's webhook.
pub(super) async fn show(web: &Web, request: SignedInRequest) -> Result<Response, WebError> {
    let SignedInRequest { browser, account: did, fields } = request;
    let webhook = find(web, &did, &fields).await?;
    log(web, browser, did, &webhook, browser.said(&fields)).await
}

/// Handles `POST`: tests, switches on or off, or deletes a webhook, or repeats a delivery.
pub(super) async fn change(web: &Web, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    let SignedInRequest { browser, account: did, fields } = signed_in::form(web, request, trace).await?;
    let is_deletion = fields.get("do") == Some("delete") && fields.get("sure") == Some("yes");
    let webhook = match find(web, &did, &fields).await {
        // The form was sent twice.
        Err(error) if is_deletion && error.status == StatusCode::NOT_FOUND && fields.get("name").is_some() => {
            return Ok(responses::go(&Endpoint::Webhooks.for_repository(&image_name(&fields)?)));
        }
        found => found?,
    };
    let id = webhook.id;
    let message = match fields.get("do") {
        Some("test") if webhook.is_on => test(web, &did, &webhook).await?,
        Some("test") => "It is disabled: enable it first.".to_owned(),
        Some("on") => {
            web.webhooks.switch_on(id).await?;
            "It is enabled.".to_owned()
        }
        Some("off") => {
            web.webhooks.switch_off(id, None).await?;
            "It is disabled. Deliveries that waited are dropped.".to_owned()
        }
        Some("again") if webhook.is_on => {
            let delivery = fields.get("delivery").and_then(|id| id.parse().ok());
            let delivery = delivery.ok_or_else(|| WebError::bad_form("which delivery?"))?;
            match web.webhooks.deliver_again(&webhook, delivery).await? {
                true => "It will be sent again.".to_owned(),
                false => "This delivery is still waiting, or too old.".to_owned(),
            }
        }
        Some("again") => "It is disabled: enable it first.".to_owned(),
        Some("delete") if is_deletion => {
            web.webhooks.delete(&did, id).await?;
            tracing::info!(%did, "{did} deleted a webhook of {}", webhook.repository);
            return Ok(responses::go(&Endpoint::Webhooks.for_repository(&webhook.repository)));
        }
        Some("delete") => return ask_before_deletion(web, browser, did, &webhook).await,
        _ => return Err(WebError::bad_form("what is to be done with it?")),
    };
    Ok(browser.go_and_say(&path_of(id), &message))
}

/// Sends a ping; returns a message about its result.
async fn test(web: &Web, did: &Did, webhook: &Webhook) -> Result<String, WebError> {
    let account = own(web, did).await?;
    let Some(delivery) = web.webhooks.test(&account, webhook).await? else {
        return Ok("A test is under way: reload this page in some seconds.".into());
    };
    Ok(match (&delivery.problem, delivery.status) {
        _ if delivery.due_us.is_some() => "The test is queued: reload this page in some seconds.".into(),
        (Some(problem), _) => format!("The test was not delivered: {problem}."),
        (None, status) => format!("The test was delivered: {}.", status.unwrap_or_default()),
    })
}

async fn ask_before_deletion(web: &Web, browser: Browser, did: Did, webhook: &Webhook) -> Result<Response, WebError> {
    let viewer = Viewer::signed_in(web, browser, did, &path_of(webhook.id)).await;
    let page = DeleteWebhookPage {
        frame: Frame::of_viewer(web, &viewer),
        name: webhook.repository.as_str(),
        webhook,
        action: Endpoint::Webhook.path(),
        back: path_of(webhook.id),
    };
    Ok(pages::finish(web, None, page.render(), Shown::default()))
}

fn path_of(id: i64) -> String {
    format!("{}?id={id}", Endpoint::Webhook.path())
}

/// Returns the webhook that a form or a query names, if it is one of this account.
async fn find(web: &Web, did: &Did, fields: &Fields) -> Result<Webhook, WebError> {
    let id = fields.get("id").and_then(|id| id.parse().ok());
    let id = id.ok_or_else(|| WebError::bad_form("which webhook?"))?;
    web.webhooks.find(did, id).await?.ok_or_else(|| WebError::not_found("you have no such webhook"))
}

async fn overview(web: &Web, browser: Browser, did: Did, name: &ImageName, form: Form) -> Result<Response, WebError> {
    if !web.webhooks.is_on() {
        return Err(WebhooksError::Off.into());
    }
    let now_us = (web.settings.clock)();
    let webhooks = web.webhooks.of_account(&did).await?.into_iter().filter(|webhook| webhook.repository == *name);
    let webhooks: Vec<_> = webhooks.collect();
    let url = |id: i64| webhooks.iter().find(|webhook| webhook.id == id).map(|webhook| webhook.url.clone());
    let added = form.added.as_ref().and_then(|added| Some((url(added.id)?, added.secret.clone())));
    let shown = webhooks.iter().map(|webhook| ShownWebhook {
        path: path_of(webhook.id),
        url: webhook.url.clone(),
        words: words(webhook, now_us),
    });
    let shown = shown.collect();
    let once = (web.settings.random)().ok_or_else(|| WebError::internal("the system gives no random numbers"))?;
    let viewer = Viewer::signed_in(web, browser, did, &Endpoint::Webhooks.for_repository(name)).await;
    let page = WebhooksPage {
        frame: Frame::of_viewer(web, &viewer),
        name: name.as_str(),
        path: format!("/{}/{name}", viewer.name),
        settings: Endpoint::RepositorySettings.for_repository(name),
        added,
        form,
        once: BASE64URL_NOPAD.encode(&once[..16]),
        webhooks: shown,
        action: Endpoint::Webhooks.path(),
    };
    Ok(pages::finish(web, None, page.render(), Shown::default()))
}

async fn log(web: &Web, browser: Browser, did: Did, webhook: &Webhook, message: &str) -> Result<Response, WebError> {
    let now_us = (web.settings.clock)();
    let deliveries = web.webhooks.deliveries(webhook).await?;
    let viewer = Viewer::signed_in(web, browser, did, &path_of(webhook.id)).await;
    let page = WebhookPage {
        frame: Frame::of_viewer(web, &viewer),
        name: webhook.repository.as_str(),
        back: Endpoint::Webhooks.for_repository(&webhook.repository),
        message,
        webhook,
        words: words(webhook, now_us),
        added: time(webhook.created_us),
        deliveries: deliveries.iter().map(|delivery| shown(delivery, now_us)).collect(),
        action: Endpoint::Webhook.path(),
    };
    Ok(pages::finish(web, None, page.render(), Shown::default()))
}

/// Returns the state of a webhook in words.
fn words(webhook: &Webhook, now_us: u64) -> String {
    let failing = webhook.failing_us.map(|since_us| Ago::of(since_us, now_us).text);
    match (webhook.is_on, &webhook.problem, failing) {
        (true, _, None) => "Enabled".into(),
        (true, _, Some(since)) => format!("Enabled. Deliveries fail: the first one {since}"),
        (false, None, _) => "Disabled".into(),
        (false, Some(problem), _) => format!("Disabled by the registry: {problem}"),
    }
}

fn shown(delivery: &Delivery, now_us: u64) -> ShownDelivery {
    let what = match delivery.kind {
        WebhookEvent::Push => format!("push of {}", delivery.tag),
        WebhookEvent::Ping => "ping".to_owned(),
    };
    let outcome = match (&delivery.problem, delivery.due_us) {
        (None, None) => format!("Delivered: {}", delivery.status.unwrap_or_default()),
        (None, Some(_)) => "Waits".to_owned(),
        (Some(problem), Some(due_us)) => format!("Not yet: {problem}. Next attempt: {}", time(due_us)),
        (Some(problem), None) => format!("Not delivered: {problem}"),
    };
    let attempts = match (delivery.attempts, delivery.took_ms) {
        (0, _) | (_, None) => String::new(),
        (attempts, Some(took_ms)) => format!("{}, {took_ms} ms", server::text::with_noun(attempts.into(), "attempt")),
    };
    ShownDelivery {
        id: delivery.id,
        what,
        event: delivery.event.clone(),
        outcome,
        is_wrong: delivery.problem.is_some(),
        attempts,
        queued: Ago::of(delivery.queued_us, now_us),
        has_ended: delivery.due_us.is_none(),
    }
}
