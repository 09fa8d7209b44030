//! Rendering of pages, and their security headers.

use std::sync::LazyLock;

use askama::Template;
use data_encoding::BASE64;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};

use super::browser::Browser;
use super::refusal::{WebError, Written};
use super::responses::uncached;
use super::return_path::ReturnPath;
use super::times::time;
use super::viewer::Viewer;
use super::{Endpoint, Web};
use crate::devices::{DeviceRow, RequestRow};
use atproto::syntax::Did;
use server::wire::Response;
use server::xrpc::response::{self, set_header};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const STYLE: &str = include_str!("pages/style.css");
static STYLE_HASH: LazyLock<String> = LazyLock::new(|| BASE64.encode(&Sha256::digest(STYLE)));
/// The script that copies commands; pages work without it.
const SCRIPT: &str = include_str!("pages/copy.js");
static SCRIPT_HASH: LazyLock<String> = LazyLock::new(|| BASE64.encode(&Sha256::digest(SCRIPT)));

/// The frame of every page.
pub(super) struct Frame<'p> {
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) registry: &'p str,
    pub(super) token: String,
    /// The link to the sign-in page, which leads back here.
    pub(super) sign_in: String,
    pub(super) sign_out: &'static str,
    pub(super) devices: &'static str,
    pub(super) settings: &'static str,
    pub(super) search: &'static str,
    /// Name of the signed-in account.
    pub(super) viewer: Option<&'p str>,
    /// Time when the viewer must sign in again, if that is soon.
    pub(super) ends: Option<&'p str>,
}

impl<'p> Frame<'p> {
    fn of(web: &'p Web, token: String, viewer: Option<&'p str>) -> Self {
        Self {
            style: STYLE,
            script: SCRIPT,
            registry: &web.settings.registry,
            token,
            sign_in: ReturnPath::sign_in(None),
            sign_out: Endpoint::SignOut.path(),
            devices: Endpoint::Devices.path(),
            settings: Endpoint::Settings.path(),
            search: Endpoint::Search.path(),
            viewer,
            ends: None,
        }
    }

    /// Returns the frame for a browser that is not signed in, without a CSRF token.
    pub(super) fn of_nobody(web: &'p Web) -> Self {
        Self::of(web, String::new(), None)
    }

    /// Returns the frame for a viewer.
    pub(super) fn of_viewer(web: &'p Web, viewer: &'p Viewer) -> Self {
        let name = viewer.account.is_some().then_some(viewer.name.as_str());
        Self { ends: viewer.ends.as_deref(), sign_in: viewer.sign_in(), ..Self::of(web, viewer.form_token(), name) }
    }
}

/// Permissions of a page in its Content-Security-Policy.
#[derive(Clone, Copy, Default)]
pub(super) struct Shown {
    /// Whether the script that copies commands may run.
    pub(super) script: bool,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'p> {
    frame: Frame<'p>,
    action: &'static str,
    handle: &'p str,
    /// The page that the sign-in returns to; empty for the settings.
    next: &'p str,
    is_for_device: bool,
    /// Why the sign-in that was tried with this handle did not begin.
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "approve.html")]
struct ApprovePage<'p> {
    frame: Frame<'p>,
    action: &'static str,
    account: &'p str,
    name: &'p str,
    device: &'p RequestRow,
    asked: String,
    expires: String,
}

/// A device in the list.
struct ShownDevice<'p> {
    id: i64,
    name: &'p str,
    address: &'p str,
    since: String,
    used: String,
}

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage<'p> {
    frame: Frame<'p>,
    action: &'static str,
    revoke: &'static str,
    account: &'p str,
    message: &'p str,
    devices: Vec<ShownDevice<'p>>,
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage<'p> {
    frame: Frame<'p>,
    title: &'static str,
    message: String,
    /// Whether a sign-in may help.
    is_for_sign_in: bool,
    /// The page to open again, where that may help.
    again: Option<&'p str>,
    /// A text that was not saved, and the path of its form.
    written: Option<&'p Written>,
    write: &'static str,
}

/// The fields of the sign-in form.
#[derive(Clone, Copy)]
pub(super) struct SignInFields<'f> {
    /// A handle, a DID, or the URL of a PDS.
    pub(super) handle: &'f str,
    /// The page that the sign-in returns to.
    pub(super) next: Option<&'f ReturnPath>,
}

/// Returns the sign-in page with these fields filled in; after a sign-in with them that did not begin for a `problem`.
pub(super) fn sign_in(web: &Web, browser: &Browser, fields: SignInFields<'_>, problem: Option<&WebError>) -> Response {
    let SignInFields { handle, next } = fields;
    let page = SignInPage {
        frame: Frame { sign_in: ReturnPath::sign_in(next), ..Frame::of(web, browser.form_token(), None) },
        action: Endpoint::SignIn.path(),
        handle,
        next: next.map_or("", ReturnPath::as_str),
        is_for_device: next.is_some_and(ReturnPath::is_of_device),
        problem: problem.map(WebError::sentence),
    };
    let page = finish(web, Some(browser), page.render(), Shown::default());
    match problem {
        Some(error) => error.mark(page),
        None => page,
    }
}

/// Returns the page that asks the user to approve a device.
pub(super) fn approve(web: &Web, browser: &Browser, account: &Did, name: &str, device: &RequestRow) -> Response {
    let page = ApprovePage {
        frame: Frame::of(web, browser.form_token(), Some(name)),
        action: Endpoint::Devices.path(),
        account: account.as_str(),
        name,
        asked: time(device.created_us),
        expires: time(device.expires_us),
        device,
    };
    finish(web, Some(browser), page.render(), Shown::default())
}

/// Returns the page with an account's devices, below a message.
pub(super) fn devices(web: &Web, browser: &Browser, account: &str, message: &str, devices: &[DeviceRow]) -> Response {
    let shown = |device: &'_ DeviceRow| (device.id, time(device.created_us), device.used_us);
    let devices = devices.iter().map(|device| {
        let (id, since, used_us) = shown(device);
        let used = if used_us == 0 { "never".to_owned() } else { time(used_us) };
        let address = device.address.as_deref().unwrap_or("an unknown address");
        ShownDevice { id, name: &device.name, address, since, used }
    });
    let page = DevicesPage {
        frame: Frame::of(web, browser.form_token(), Some(account)),
        action: Endpoint::Devices.path(),
        revoke: Endpoint::RevokeDevice.path(),
        account,
        message,
        devices: devices.collect(),
    };
    finish(web, Some(browser), page.render(), Shown::default())
}

/// Returns the page of an error for a viewer.
pub(super) fn refusal(web: &Web, viewer: &Viewer, error: &WebError) -> Response {
    let title = if error.status == StatusCode::NOT_FOUND { "Not found" } else { "It did not work" };
    let frame = Frame::of_viewer(web, viewer);
    let is_for_sign_in = viewer.account.is_none() || (error.status == StatusCode::FORBIDDEN && !error.is_forged);
    let may_open = !is_for_sign_in && (error.is_forged || error.status.is_server_error());
    let again = viewer.page().filter(|_| may_open);
    let (written, write) = (error.written.as_deref(), Endpoint::WritePage.path());
    let page = RefusalPage { frame, title, message: error.sentence(), is_for_sign_in, again, written, write };
    error.mark(finish(web, None, page.render(), Shown::default()))
}

/// Returns a page with its security headers, and with the cookie of a new `browser`.
///
/// It is not compressed: forms have the browser's CSRF token beside text that a link chooses, as the words of a search, and
/// the length of a compressed page tells whether the two have something in common (BREACH). Style and script are within the
/// page, so there is no file beside it that could be compressed by itself. <https://www.breachattack.com/>
pub(super) fn finish(web: &Web, browser: Option<&Browser>, html: askama::Result<String>, shown: Shown) -> Response {
    let Ok(html) = html else { return WebError::internal("a page cannot be made").into_json() };
    let mut response = uncached(response::full(HTML, html.into()));
    // Browsers apply `form-action` to a form's redirect too, and that of a sign-in leads to the account's authorization
    // server.
    let servers = if web.settings.test_mode { "https: http://localhost:*" } else { "https:" };
    let script = if shown.script { format!(" script-src 'sha256-{}';", *SCRIPT_HASH) } else { String::new() };
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; img-src 'self';{script} form-action 'self' {servers}; base-uri 'none'; \
         frame-ancestors 'none'",
        *STYLE_HASH
    );
    set_header(&mut response, CONTENT_SECURITY_POLICY, &policy);
    // With a stricter policy, browsers would send forms with the origin `null`.
    set_header(&mut response, REFERRER_POLICY, "same-origin");
    if let Some(browser) = browser {
        browser.keep(web, &mut response, false);
    }
    response
}
