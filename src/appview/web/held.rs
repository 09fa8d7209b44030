//! What this registry holds of an account, beside its own repository: for the person to take away and to delete.

use askama::Template;
use http::HeaderValue;
use http::header::CONTENT_DISPOSITION;
use http::request::Parts;
use serde::{Deserialize, Serialize};

use super::browser::Browser;
use super::pages::{self, Frame, Shown};
use super::refusal::WebError;
use super::viewer::Viewer;
use super::{Endpoint, Web, devices, leaving, uncached};
use crate::accounts::{AccountsError, SessionEnd};
use atproto::syntax::{Datetime, Did};
use server::storage::StorageError;
use server::wire::{Request, Response};
use server::xrpc::{Trace, response};

/// A session at the account's PDS, without its tokens.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldSession {
    /// Whether it was made in a browser, by OAuth; else by an app password.
    pub by_oauth: bool,
    /// When the account's PDS last said that it is good.
    pub proven_at: Datetime,
}

/// A device, without its secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldDevice {
    /// What it calls itself.
    pub name: String,
    /// Where it asked from, if that was known.
    pub address: Option<String>,
    /// When it was let in.
    pub created_at: Datetime,
    /// When it signed in last, if it did.
    pub used_at: Option<Datetime>,
}

/// A browser in which an account is signed in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldBrowser {
    /// Since when.
    pub created_at: Datetime,
    /// Until when.
    pub expires_at: Datetime,
}

/// A manifest that a hold is still to be told of.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeldNotice {
    /// The repository, without its owner.
    pub repository: String,
    /// The digest.
    pub manifest: String,
    /// The hold.
    pub hold: Did,
}

/// Whom a repository tells of pushes, without the secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldWebhook {
    /// The repository, without its owner.
    pub repository: String,
    /// Where.
    pub url: String,
    /// Since when.
    pub created_at: Datetime,
    /// Whether anything is delivered.
    pub is_on: bool,
}

/// What is held of an account, without what is secret. Its images, stars and pages are records in its own repository.
#[derive(Debug, Serialize, Deserialize)]
pub struct Held {
    /// Sessions at its PDS.
    pub sessions: Vec<HeldSession>,
    /// Devices that act for it.
    pub devices: Vec<HeldDevice>,
    /// Browsers in which it is signed in.
    pub browsers: Vec<HeldBrowser>,
    /// Manifests that holds are still to be told of.
    pub notices: Vec<HeldNotice>,
    /// Whom its repositories tell of pushes.
    #[serde(default)]
    pub webhooks: Vec<HeldWebhook>,
}

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

impl Web {
    /// Returns what is held of an account.
    ///
    /// # Errors
    /// When the database fails; so below.
    pub async fn held(&self, account: &Did) -> Result<Held, StorageError> {
        let at = Datetime::from_micros;
        let sessions = self.sessions.list().await?.into_iter().filter(|session| session.account == *account);
        let sessions = sessions.map(|row| HeldSession { by_oauth: row.by_oauth, proven_at: at(row.proven_us) });
        let devices = self.devices.of_account(account).await?.into_iter().map(|device| HeldDevice {
            name: device.name,
            address: device.address,
            created_at: at(device.created_us),
            used_at: (device.used_us > 0).then(|| at(device.used_us)),
        });
        let browsers = self.browsers.of_account(account).await?.into_iter();
        let browsers =
            browsers.map(|row| HeldBrowser { created_at: at(row.created_us), expires_at: at(row.expires_us) });
        let notices = self.images.waiting_of(account).await?.into_iter().map(|notice| HeldNotice {
            repository: notice.repository,
            manifest: notice.manifest,
            hold: notice.hold.did().clone(),
        });
        let webhooks = self.webhooks.of_account(account).await?.into_iter().map(|webhook| HeldWebhook {
            repository: webhook.repository.to_string(),
            url: webhook.url,
            created_at: at(webhook.created_us),
            is_on: webhook.is_on,
        });
        Ok(Held {
            sessions: sessions.collect(),
            devices: devices.collect(),
            browsers: browsers.collect(),
            notices: notices.collect(),
            webhooks: webhooks.collect(),
        })
    }

    /// Deletes what is held of an account, and what is known of it for searches; its sessions at its PDS end. Returns what there
    /// was, and how the sessions ended.
    ///
    /// # Errors
    /// As [`Web::held`].
    pub async fn forget(&self, account: &Did) -> Result<(Held, Vec<SessionEnd>), AccountsError> {
        let held = self.held(account).await?;
        // Nobody signs in as it any more before the rest goes.
        self.devices.forget(account).await?;
        self.browsers.forget(account).await?;
        self.images.drop_notices_of(account).await?;
        self.webhooks.forget(account).await?;
        let ended = self.sessions.end_all(account).await?;
        self.index.forget(account).await?;
        Ok((held, ended))
    }

    /// Returns in how many browsers each account is signed in.
    ///
    /// # Errors
    /// As [`Web::held`].
    pub async fn browsers_by_account(&self) -> Result<Vec<(Did, u64)>, StorageError> {
        self.browsers.by_account().await
    }
}

/// `GET`: all of it, as a file.
pub(super) async fn show(web: &Web, head: &Parts, trace: &mut Trace) -> Result<Response, WebError> {
    let browser = Browser::of(web, head)?;
    let Some(account) = web.browsers.find(browser.hash()).await? else {
        return Ok(pages::sign_in(web, &browser, "", None));
    };
    let held = web.held(&account).await?;
    let mut response = uncached(response::json(&Document { account: &account, held }));
    let name = HeaderValue::from_static("attachment; filename=\"account.json\"");
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    trace.caller = Some(account);
    Ok(response)
}

/// `POST`: asks whether somebody is sure, and deletes all of it.
pub(super) async fn forget(web: &Web, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    let (browser, did, fields) = devices::change(web, request, trace).await?;
    if fields.get("sure") != Some("yes") {
        let held = web.held(&did).await?;
        let devices = server::text::with_noun(held.devices.len() as u64, "device");
        let webhooks = server::text::with_noun(held.webhooks.len() as u64, "webhook");
        let untold = held.notices.len() as u64;
        let viewer = Viewer::signed_in(web, browser, did).await;
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
    let (_, ended) = web.forget(&did).await?;
    tracing::info!(%did, "{did} deleted what was held of it");
    let untold = (untold > 0).then(|| server::text::with_noun(untold, "image"));
    let untold = untold.map(|images| {
        format!(
            "Of {images} the hold does not know, and it will not be told: push again, or it may remove their layers."
        )
    });
    let said: Vec<_> = untold.into_iter().chain(leaving::left(&ended)).collect();
    Ok(leaving::gone(web, "What was held of you is deleted", &said, Endpoint::Home.path()))
}
