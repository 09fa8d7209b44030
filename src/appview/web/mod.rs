//! What people see in a browser, and the endpoints of sign-in and devices. No page needs a script.
//!
//! `site` has the pages that anybody may read: of accounts, repositories and images; `settings` and `repository_settings`
//! what their owners change, `webhooks` whom they have told of pushes.
//!
//! `sign_in` begins and ends sign-ins by OAuth, `devices` lets devices in and takes them back, `device_api` is what programs
//! that want to become devices talk to. A refusal is a page as well: [`answer`] never fails.
//!
//! Every change is a form of our own page: a form has a token that follows from the browser's cookie, which no other
//! site can read or set. Nowhere does a browser go that a parameter names.

mod account_data;
mod browser;
mod browser_sessions;
mod device_api;
mod devices;
mod endpoint;
mod form;
mod guesses;
mod held;
mod leaving;
mod pages;
mod refusal;
mod repository_settings;
mod search_api;
mod settings;
mod sign_in;
mod site;
mod stars;
pub mod tables;
mod viewer;
mod webhooks;

use std::sync::Arc;

use http::header::{ALLOW, HOST, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use tokio::sync::Semaphore;

use crate::accounts::{Owners, Sessions, SignIns};
use crate::catalog::Catalog;
use crate::devices::Devices;
use crate::holds::Holds;
use crate::images::Images;
use crate::index::Index;
use crate::names::Owner;
use crate::oauth::Client;
use crate::repos::Repos;
use crate::uploads::Uploads;
use crate::webhooks::Webhooks;
use atproto::syntax::Did;
use browser_sessions::BrowserSessions;
use guesses::Guesses;
use refusal::WebError;
use server::bulkhead::{Bulkhead, BulkheadCounts, Caller, Overload};
use server::sqlite::Database;
use server::wire::{Request, Response};
use server::xrpc::{Refusal, Trace, header, response};

pub use endpoint::{ENDPOINTS, Endpoint};
pub use held::{
    Held, HeldBrowser, HeldDelivery, HeldDevice, HeldNotice, HeldReferrer, HeldRepository, HeldRequest, HeldSession,
    HeldSignIn, HeldUpload, HeldWebhook,
};
pub use pages::guard;

/// Sign-ins that are being begun at once: each asks servers that a stranger named.
const BEGINNING_AT_ONCE: usize = 32;

/// What the pages need of the registry.
pub struct WebSettings {
    /// Where browsers reach us, without a trailing slash.
    pub origin: String,
    /// What images' names begin with.
    pub registry: String,
    /// Whether servers of this machine may be signed in at.
    pub test_mode: bool,
    /// Whether there are pages at all.
    pub is_enabled: bool,
    /// Microseconds since 1970.
    pub clock: fn() -> u64,
    /// Random bytes, if the system has any.
    pub random: fn() -> Option<[u8; 32]>,
}

/// Pictures that are in memory at once on their way to a PDS, at 3 MB each.
const PICTURES_AT_ONCE: usize = 8;

/// The rooms that pages show.
pub struct WebRooms {
    /// Finds accounts.
    pub owners: Arc<Owners>,
    /// Sessions at their PDSes.
    pub sessions: Arc<Sessions>,
    /// Who we are to authorization servers.
    pub client: Arc<Client>,
    /// Devices that act for accounts.
    pub devices: Arc<Devices>,
    /// What repositories and images there are.
    pub catalog: Arc<Catalog>,
    /// Their records.
    pub repos: Arc<Repos>,
    /// What can be searched for.
    pub index: Arc<Index>,
    /// Calls holds.
    pub holds: Arc<Holds>,
    /// Whom owners want told of pushes.
    pub webhooks: Arc<Webhooks>,
    /// Manifests.
    pub images: Arc<Images>,
    /// Blobs on their way.
    pub uploads: Arc<Uploads>,
}

/// What the endpoints work with.
pub struct Web {
    settings: WebSettings,
    owners: Arc<Owners>,
    sessions: Arc<Sessions>,
    sign_ins: SignIns,
    devices: Arc<Devices>,
    client: Arc<Client>,
    catalog: Arc<Catalog>,
    index: Arc<Index>,
    repos: Arc<Repos>,
    holds: Arc<Holds>,
    webhooks: Arc<Webhooks>,
    images: Arc<Images>,
    uploads: Arc<Uploads>,
    browsers: BrowserSessions,
    guesses: Guesses,
    beginning: Semaphore,
    pictures: Semaphore,
    pages: Bulkhead<Caller>,
    front_page: site::FrontPage,
    configs: site::Configs,
}

impl Web {
    /// By these means.
    #[must_use]
    pub fn new(settings: WebSettings, database: Database, rooms: WebRooms) -> Self {
        let WebRooms { owners, sessions, client, devices, catalog, repos, index, holds, webhooks, images, uploads } =
            rooms;
        Self {
            sign_ins: SignIns::new(Arc::clone(&sessions), settings.random),
            browsers: BrowserSessions::new(database, settings.clock),
            guesses: Guesses::new(),
            beginning: Semaphore::new(BEGINNING_AT_ONCE),
            pictures: Semaphore::new(PICTURES_AT_ONCE),
            pages: Bulkhead::new(site::PAGES),
            front_page: site::FrontPage::default(),
            configs: site::remembered_configs(),
            settings,
            owners,
            sessions,
            devices,
            client,
            catalog,
            index,
            repos,
            holds,
            webhooks,
            images,
            uploads,
        }
    }

    /// Returns the metrics of the queue before pages.
    #[must_use]
    pub fn page_counts(&self) -> &BulkheadCounts {
        self.pages.counts()
    }

    /// Where a person signs in.
    #[must_use]
    pub fn sign_in_url(&self) -> String {
        format!("{}{}", self.settings.origin, Endpoint::SignIn.path())
    }

    /// The account's handle, where its domain agrees; else its DID.
    async fn name(&self, account: &Did) -> String {
        let caller = Caller::Account(account.clone());
        let Ok(found) = self.owners.find(&Owner::Did(account.clone()), &caller).await else {
            return account.to_string();
        };
        let handle = self.owners.proven_handle(&found, &caller).await.ok().flatten();
        handle.map_or_else(|| account.to_string(), |handle| handle.to_string())
    }

    /// Forgets what was begun and not ended.
    pub async fn sweep(&self) {
        if let Err(error) = self.sign_ins.sweep().await {
            tracing::warn!(%error, "sign-ins that nobody ended cannot be forgotten");
        }
        if let Err(error) = self.browsers.sweep().await {
            tracing::warn!(%error, "browsers that were signed in long ago cannot be forgotten");
        }
    }
}

/// Answers a request of an endpoint of this room.
pub async fn answer(web: &Web, endpoint: Endpoint, request: Request, trace: &mut Trace) -> Response {
    let mut response = match endpoint.method() {
        Some(method) => search_api::answer(web, method, &request.head, &trace.network())
            .await
            .unwrap_or_else(Refusal::into_response),
        None => page(web, endpoint, request, trace).await,
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(endpoint.allowed()));
    }
    guard(&mut response);
    response
}

/// Answers a request of an endpoint of this room that finds no place.
#[must_use]
pub fn turn_away(web: &Web, endpoint: Endpoint, overload: Overload) -> Response {
    let mut response = refused(web, endpoint, overload.into());
    guard(&mut response);
    response
}

async fn page(web: &Web, endpoint: Endpoint, request: Request, trace: &mut Trace) -> Response {
    respond(web, endpoint, request, trace).await.unwrap_or_else(|error| refused(web, endpoint, error))
}

/// A refusal, as whoever an endpoint is for reads it.
fn refused(web: &Web, endpoint: Endpoint, error: WebError) -> Response {
    let retry_s = error.retry_s;
    let mut response = if endpoint.is_for_programs() { error.into_json() } else { pages::refusal(web, error) };
    if let Some(seconds) = retry_s {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

async fn respond(web: &Web, endpoint: Endpoint, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    let method = &request.head.method;
    if !web.settings.is_enabled && !matches!(endpoint, Endpoint::ClientMetadata | Endpoint::ClientKeys) {
        return Err(WebError::not_found("this registry has no pages: sign in with an app password"));
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if !(if reads { endpoint.is_read() } else { *method == Method::POST && endpoint.is_written() }) {
        return Err(WebError::method_not_allowed());
    }
    if reads && !endpoint.is_for_programs() && is_elsewhere(web, &request) {
        return Ok(pages::go(&format!("{}{}", web.settings.origin, path_and_query(&request))));
    }
    let client = &web.client;
    match endpoint {
        Endpoint::ClientMetadata => published(client.registration().metadata()),
        Endpoint::ClientKeys => published(client.registration().keys()),
        Endpoint::SignIn if reads => sign_in::show(web, &request.head),
        Endpoint::SignIn => sign_in::begin(web, request, &trace.network()).await,
        Endpoint::Callback => sign_in::end(web, &request.head, trace).await,
        Endpoint::SignOut => sign_in::sign_out(web, request).await,
        Endpoint::Devices if reads => devices::show(web, &request.head, trace).await,
        Endpoint::Devices => devices::decide(web, request, trace).await,
        Endpoint::RevokeDevice => devices::revoke(web, request, trace).await,
        Endpoint::DeviceCode => device_api::ask(web, request, trace).await,
        Endpoint::DeviceToken => device_api::poll(web, request, trace).await,
        Endpoint::EndDevice => device_api::end(web, request, trace).await,
        Endpoint::Settings => settings::show(web, &request.head, trace).await,
        Endpoint::ChooseHold => settings::choose_hold(web, request, trace).await,
        Endpoint::EndSession => settings::end_session(web, request, trace).await,
        Endpoint::AccountData => account_data::show(web, &request.head, trace).await,
        Endpoint::ForgetAccount => account_data::forget(web, request, trace).await,
        Endpoint::RepositorySettings => repository_settings::show(web, &request.head, trace).await,
        Endpoint::WritePage => repository_settings::write_page(web, request, trace).await,
        Endpoint::WritePicture => repository_settings::write_picture(web, request, trace).await,
        Endpoint::DeleteImage => repository_settings::delete(web, request, trace).await,
        Endpoint::Webhooks if reads => webhooks::show_all(web, &request.head, trace).await,
        Endpoint::Webhooks => webhooks::add(web, request, trace).await,
        Endpoint::Webhook if reads => webhooks::show(web, &request.head, trace).await,
        Endpoint::Webhook => webhooks::change(web, request, trace).await,
        Endpoint::Star => stars::change(web, request, trace).await,
        Endpoint::Search => site::search(web, &request.head, trace).await,
        Endpoint::Home => site::home(web, &request.head, &trace.network()).await,
        Endpoint::Owner | Endpoint::Repository | Endpoint::Image | Endpoint::Picture => {
            site::show(web, &request.head, trace).await
        }
        Endpoint::Robots => Ok(site::robots()),
        Endpoint::Mark => Ok(site::mark()),
        Endpoint::SearchRepositories | Endpoint::ListRepositories | Endpoint::Missing => Err(site::missing()),
    }
}

fn published(document: Option<serde_json::Value>) -> Result<Response, WebError> {
    let none = || WebError::not_found("on one's own machine a registry is no client of its own");
    document.map(|document| response::json(&document)).ok_or_else(none)
}

/// On one's own machine browsers must come by the one address that authorization servers send them back to, or the
/// cookie would be another's.
fn is_elsewhere(web: &Web, request: &Request) -> bool {
    let Some(authority) = web.settings.origin.strip_prefix("http://") else { return false };
    header(&request.head, HOST.as_str()).is_some_and(|host| host != authority)
}

fn path_and_query(request: &Request) -> &str {
    request.head.uri.path_and_query().map_or("/", |text| text.as_str())
}

/// An answer with another status.
fn with_status(mut response: Response, status: StatusCode) -> Response {
    *response.status_mut() = status;
    response
}

/// An answer that nobody keeps.
fn uncached(mut response: Response) -> Response {
    response.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
