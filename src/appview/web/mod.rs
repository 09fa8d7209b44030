//! The web pages, and the endpoints of sign-in, devices and search. No page needs a script.
//!
//! `site` has the public pages: of accounts, repositories and images; `settings` and `repository_settings` what their
//! owners may change, `webhooks` the webhooks of a repository; `signed_in` finds who that is, for each of them.
//!
//! `sign_in` begins and ends sign-ins by OAuth, `devices` approves and revokes devices, `device_api` has the device
//! authorization endpoints for programs. An error is a page as well: [`answer`] never fails.
//!
//! Every change is a form of one of our pages: a form has a CSRF token that is derived from the browser's cookie, which
//! no other site can read or set. Redirects go only to our own paths and to the authorization server of a sign-in.

mod account_data;
mod browser;
mod browser_sessions;
mod counts;
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
mod responses;
mod return_path;
mod route;
mod search_api;
mod settings;
mod sign_in;
mod sign_in_limit;
mod signed_in;
mod site;
mod stars;
pub mod tables;
mod times;
mod viewer;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, HOST};
use http::{HeaderValue, Method, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::accounts::{AccountsError, Owners, SessionEnd, Sessions, SignIns};
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
use browser::Browser;
use browser_sessions::BrowserSessions;
use guesses::Guesses;
use refusal::WebError;
use return_path::ReturnPath;
use server::bulkhead::{Bulkhead, BulkheadCounts, BulkheadLimits, Caller, Overload};
use server::egress::answer_within;
use server::sqlite::Database;
use server::wire::{Request, Response};
use server::xrpc::{Refusal, Trace, header, response};
use sign_in_limit::SignInLimit;
use viewer::Viewer;

pub use endpoint::{ENDPOINTS, Endpoint};
pub use held::{
    Forgotten, Held, HeldBrowser, HeldDelivery, HeldDevice, HeldEndedSession, HeldNotice, HeldReferrer, HeldRefusal,
    HeldRepository, HeldRequest, HeldSession, HeldSignIn, HeldUpload, HeldWebhook,
};
pub use responses::guard;

/// Sign-ins that may be beginning at the same time: each calls servers that a stranger named.
const SIGN_INS_AT_ONCE: usize = 32;

/// Longest wait for an account's handle.
const NAME_TIME: Duration = Duration::from_secs(2);

/// Settings of the pages.
pub struct WebSettings {
    /// The origin at which browsers reach the registry, without a trailing slash.
    pub origin: String,
    /// The registry's part of image names: host and port.
    pub registry: String,
    /// Whether sign-ins at servers on localhost are allowed.
    pub test_mode: bool,
    /// Whether pages are shown at all.
    pub is_enabled: bool,
    /// Returns microseconds since 1970.
    pub clock: fn() -> u64,
    /// Returns random bytes; `None` when the system has none.
    pub random: fn() -> Option<[u8; 32]>,
}

/// Pictures that may be in memory at the same time while they are uploaded to a PDS, at 3 MB each. Their senders may take
/// their time, so that of one account are fewer.
const PICTURES: BulkheadLimits =
    BulkheadLimits { slots: 8, slots_per_caller: 2, queue: 0, queue_per_caller: 0, max_wait: Duration::ZERO };

/// The rooms that pages use.
pub struct WebRooms {
    /// Resolves owners to accounts.
    pub owners: Arc<Owners>,
    /// Sessions of accounts at their PDSes.
    pub sessions: Arc<Sessions>,
    /// The client of authorization servers.
    pub client: Arc<Client>,
    /// Devices that act for accounts.
    pub devices: Arc<Devices>,
    /// Repositories and images as pages show them.
    pub catalog: Arc<Catalog>,
    /// Client of accounts' repositories.
    pub repos: Arc<Repos>,
    /// The search index.
    pub index: Arc<Index>,
    /// Client of the holds.
    pub holds: Arc<Holds>,
    /// Webhooks of repositories.
    pub webhooks: Arc<Webhooks>,
    /// Manifests and tags.
    pub images: Arc<Images>,
    /// Open uploads of blobs.
    pub uploads: Arc<Uploads>,
}

/// The state of the endpoints of this room.
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
    sign_in_slots: Semaphore,
    sign_in_limit: SignInLimit,
    pictures: Bulkhead<Did>,
    left_browsers: leaving::LeftBrowsers,
    pages: Bulkhead<Caller>,
    front_page: site::FrontPage,
    configs: site::Configs,
}

impl Web {
    /// Returns the state with these rooms; browser sessions are in `database`.
    #[must_use]
    pub fn new(settings: WebSettings, database: Database, rooms: WebRooms) -> Self {
        let WebRooms { owners, sessions, client, devices, catalog, repos, index, holds, webhooks, images, uploads } =
            rooms;
        Self {
            sign_ins: SignIns::new(Arc::clone(&sessions), settings.random),
            browsers: BrowserSessions::new(database, settings.clock),
            guesses: Guesses::default(),
            sign_in_slots: Semaphore::new(SIGN_INS_AT_ONCE),
            sign_in_limit: SignInLimit::default(),
            pictures: Bulkhead::new(PICTURES),
            left_browsers: leaving::remembered(),
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

    /// Returns the metrics of the bulkhead before public pages.
    #[must_use]
    pub fn page_counts(&self) -> &BulkheadCounts {
        self.pages.counts()
    }

    /// Returns the URL of the sign-in page.
    #[must_use]
    pub fn sign_in_url(&self) -> String {
        format!("{}{}", self.settings.origin, Endpoint::SignIn.path())
    }

    /// Returns the account's handle if its domain confirms it in time, else the DID.
    async fn name(&self, account: &Did) -> String {
        let caller = Caller::Account(account.clone());
        let handle = async {
            let found = self.owners.find(&Owner::Did(account.clone()), &caller).await.ok()?;
            self.owners.proven_handle(&found, &caller).await.ok()?
        };
        let handle = timeout(NAME_TIME, handle).await.ok().flatten();
        handle.map_or_else(|| account.to_string(), |handle| handle.to_string())
    }

    /// Ends the account's OAuth session, also at its PDS, if no browser, device or notice uses it any more. Returns how it
    /// ended, if it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_unused_session(&self, account: &Did) -> Result<Option<SessionEnd>, AccountsError> {
        leaving::end_unused(self, account).await
    }

    /// Ends the OAuth sessions that nothing uses any more, as [`Web::end_unused_session`]: browser sessions expire, and
    /// notices are delivered. Returns their number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_unused_sessions(&self) -> Result<usize, AccountsError> {
        leaving::end_all_unused(self).await
    }

    /// Deletes expired sign-ins and browser sessions.
    pub async fn sweep(&self) {
        if let Err(error) = self.sign_ins.sweep().await {
            tracing::warn!(%error, "sign-ins that nobody ended cannot be forgotten");
        }
        if let Err(error) = self.browsers.sweep().await {
            tracing::warn!(%error, "browsers that were signed in long ago cannot be forgotten");
        }
    }
}

/// Returns the response to a request for an endpoint of this room.
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

/// Answers a request of an endpoint of this room that gets no slot.
#[must_use]
pub fn turn_away(web: &Web, endpoint: Endpoint, overload: Overload) -> Response {
    let mut response = refused(web, endpoint, &Viewer::default(), overload.into());
    guard(&mut response);
    response
}

async fn page(web: &Web, endpoint: Endpoint, request: Request, trace: &mut Trace) -> Response {
    let browser = Browser::known(web, &request.head).filter(|_| !endpoint.is_for_programs());
    let page = ReturnPath::of_request(web, &request.head);
    let time = endpoint.time(is_read(&request.head.method));
    let responding = Box::pin(respond(web, endpoint, request, trace));
    let responded = match time {
        Some(time) => answer_within(time, responding).await,
        None => responding.await,
    };
    match responded {
        Ok(response) => response,
        Err(error) => {
            let page = error.return_to.clone().or(page);
            // A failure to find the viewer leaves the error that the page is about.
            let viewer = Viewer::in_browser(web, browser, page).await.unwrap_or_default();
            refused(web, endpoint, &viewer, error)
        }
    }
}

/// A refusal, as whoever an endpoint is for reads it.
fn refused(web: &Web, endpoint: Endpoint, viewer: &Viewer, error: WebError) -> Response {
    if endpoint.is_for_programs() { error.into_json() } else { pages::refusal(web, viewer, &error) }
}

async fn respond(web: &Web, endpoint: Endpoint, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    let method = &request.head.method;
    if !web.settings.is_enabled && !matches!(endpoint, Endpoint::ClientMetadata | Endpoint::ClientKeys) {
        return Err(WebError::not_found("this registry has no pages: sign in with an app password"));
    }
    let reads = is_read(method);
    if !(if reads { endpoint.is_read() } else { *method == Method::POST && endpoint.is_written() }) {
        return Err(WebError::method_not_allowed());
    }
    if reads && !endpoint.is_for_programs() && is_elsewhere(web, &request) {
        return Ok(responses::go(&format!("{}{}", web.settings.origin, path_and_query(&request))));
    }
    let client = &web.client;
    match endpoint {
        Endpoint::ClientMetadata => published(client.registration().metadata()),
        Endpoint::ClientKeys => published(client.registration().keys()),
        Endpoint::SignIn if reads => sign_in::show(web, &request.head),
        Endpoint::SignIn => sign_in::begin(web, request, &trace.network()).await,
        Endpoint::Callback => sign_in::end(web, &request.head, trace).await,
        Endpoint::SignOut => sign_in::sign_out(web, request).await,
        Endpoint::Devices if reads => {
            let network = trace.network();
            let show = async |web: &Web, request| devices::show(web, request, network).await;
            signed_in::page(web, &request.head, trace, show).await
        }
        Endpoint::Devices => devices::decide(web, request, trace).await,
        Endpoint::RevokeDevice => devices::revoke(web, request, trace).await,
        Endpoint::DeviceCode => device_api::ask(web, request, trace).await,
        Endpoint::DeviceToken => device_api::poll(web, request, trace).await,
        Endpoint::EndDevice => device_api::end(web, request, trace).await,
        Endpoint::Settings => signed_in::page(web, &request.head, trace, settings::show).await,
        Endpoint::ChooseHold => settings::choose_hold(web, request, trace).await,
        Endpoint::EndSession => settings::end_session(web, request, trace).await,
        Endpoint::AccountData => signed_in::page(web, &request.head, trace, account_data::show).await,
        Endpoint::ForgetAccount => account_data::forget(web, request, trace).await,
        Endpoint::RepositorySettings => signed_in::page(web, &request.head, trace, repository_settings::show).await,
        Endpoint::WritePage => repository_settings::write_page(web, request, trace).await,
        Endpoint::WritePicture => repository_settings::write_picture(web, request, trace).await,
        Endpoint::DeleteImage => repository_settings::delete(web, request, trace).await,
        Endpoint::Webhooks if reads => signed_in::page(web, &request.head, trace, webhooks::show_all).await,
        Endpoint::Webhooks => webhooks::add(web, request, trace).await,
        Endpoint::Webhook if reads => signed_in::page(web, &request.head, trace, webhooks::show).await,
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

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn published(document: Option<serde_json::Value>) -> Result<Response, WebError> {
    let none = || WebError::not_found("on one's own machine a registry is no client of its own");
    document.map(|document| response::json(&document)).ok_or_else(none)
}

/// Whether a browser reached a localhost registry by another host than that of the redirect URI: its cookie would be
/// missing when the authorization server sends it back.
fn is_elsewhere(web: &Web, request: &Request) -> bool {
    let Some(authority) = web.settings.origin.strip_prefix("http://") else { return false };
    header(&request.head, HOST.as_str()).is_some_and(|host| host != authority)
}

fn path_and_query(request: &Request) -> &str {
    request.head.uri.path_and_query().map_or("/", |text| text.as_str())
}
