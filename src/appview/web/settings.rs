//! Settings of a signed-in account: its default hold, and the browsers in which it is signed in. The hold is in a
//! record of the account, the browsers are in the database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use data_encoding::HEXLOWER;
use http::StatusCode;

use super::browser::Browser;
use super::form::Fields;
use super::pages::{self, Frame, Shown};
use super::refusal::WebError;
use super::signed_in::{self, SignedInRequest};
use super::site::{self, Ago};
use super::viewer::Viewer;
use super::{Endpoint, Web, leaving};
use crate::accounts::Login;
use crate::holds::{HoldChoice, SailorProfile, hold_of};
use crate::images::RefusedNotice;
use crate::names::{self, Owner};
use atproto::syntax::{Did, Digest, HoldId, ImageName};
use server::bulkhead::Caller;
use server::egress::answer_within;
use server::identity::Account;
use server::wire::{Request, Response};
use server::xrpc::Trace;

/// Most holds in the menu.
const MAX_HOLDS: usize = 12;
/// Time limit of the account's profile: the page shows the rest without it.
const PROFILE_TIME: Duration = Duration::from_secs(5);
/// Longest name of a hold that a form which was refused is shown with.
const MAX_NAME_CHARS: usize = 500;
/// Most images in the list of those that holds did not take.
const MAX_REFUSED: usize = 20;

/// A hold in the menu.
struct ShownHold {
    did: String,
    name: String,
    /// A text about who may pull from the hold, and whether the account may push to it.
    words: String,
}

/// What the form has in its fields.
struct Form {
    /// The value of the menu.
    hold: String,
    /// The hold that is typed in.
    other: String,
    auto_remove: bool,
}

impl Form {
    /// Returns what a form had that was refused.
    fn refused(fields: &Fields) -> Self {
        let text = |name: &str| fields.get(name).and_then(|text| server::text::line(text, MAX_NAME_CHARS));
        Self {
            hold: text("hold").unwrap_or_default(),
            other: text("other").unwrap_or_default(),
            auto_remove: fields.get("auto_remove").is_some(),
        }
    }

    /// Returns what is chosen.
    fn of(chosen: &SailorProfile) -> Self {
        let hold = match &chosen.choice {
            HoldChoice::Default => "default".to_owned(),
            HoldChoice::None => "none".to_owned(),
            HoldChoice::Hold(hold) => hold.did().to_string(),
        };
        Self { hold, other: String::new(), auto_remove: chosen.auto_remove }
    }
}

/// A form that was refused, and why.
#[derive(Clone, Copy)]
struct RefusedForm<'f> {
    fields: &'f Fields,
    error: &'f WebError,
}

/// A browser that is signed in.
struct ShownSession {
    id: String,
    since: Ago,
    until: String,
    is_this: bool,
}

/// An image that its hold did not take although its push was acknowledged.
struct ShownRefusal {
    name: String,
    path: String,
    since: Ago,
    problem: String,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage<'p> {
    frame: Frame<'p>,
    name: &'p str,
    account: &'p str,
    message: &'p str,
    problem: Option<String>,
    hold_action: &'static str,
    end_action: &'static str,
    data: &'static str,
    forget_action: &'static str,
    holds: Vec<ShownHold>,
    /// The form of the hold; none while nobody knows what is chosen: it would be saved over by what it shows.
    form: Option<Form>,
    /// The registry's default hold, if it has one.
    default: Option<String>,
    sessions: Vec<ShownSession>,
    refused: Vec<ShownRefusal>,
}

/// Handles `GET`: shows the settings.
pub(super) async fn show(web: &Web, request: SignedInRequest) -> Result<Response, WebError> {
    let SignedInRequest { browser, account, fields } = request;
    overview(web, browser, account, browser.said(&fields), None).await
}

/// Handles `POST`: changes the default hold, and whether untagged manifests are removed.
pub(super) async fn choose_hold(web: &Web, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    let SignedInRequest { browser, account: did, fields } = signed_in::form(web, request, trace).await?;
    let error = match choose(web, &did, &fields).await {
        Ok(sentence) => return Ok(browser.go_and_say(Endpoint::Settings.path(), sentence)),
        // Its page leads to the sign-in.
        Err(error) if error.status == StatusCode::FORBIDDEN => return Err(error),
        Err(error) => error,
    };
    // The form is shown again, with what was typed.
    match overview(web, browser, did, "", Some(RefusedForm { fields: &fields, error: &error })).await {
        Ok(page) => Ok(error.mark(page)),
        Err(_) => Err(error),
    }
}

/// Changes the settings to those of a form. Returns what to say then.
async fn choose(web: &Web, did: &Did, fields: &Fields) -> Result<&'static str, WebError> {
    let other = fields.get("other").map(names::typed).filter(|other| !other.is_empty());
    let choice = match (fields.get("hold"), other) {
        (Some("other"), Some(other)) => HoldChoice::Hold(found(web, other).await?),
        (Some("other"), None) => return Err(WebError::bad_form("name the other hold")),
        (None, _) => return Err(WebError::bad_form("choose a hold")),
        // Which of the two was meant?
        (_, Some(_)) => {
            let message = "another hold is named, but not chosen: choose “Another one”, or leave its name empty";
            return Err(WebError::bad_form(message));
        }
        (Some("default"), None) => HoldChoice::Default,
        (Some("none"), None) => HoldChoice::None,
        (Some(did), None) => HoldChoice::Hold(named(did)?),
    };
    if let HoldChoice::Hold(hold) = &choice {
        web.catalog.captain(hold).await.map_err(not_chosen)?;
    }
    let sentence = match &choice {
        HoldChoice::None => "It is saved. You have no hold now: pushes are refused.",
        HoldChoice::Default if web.holds.default_hold().is_none() => {
            "It is saved. This registry has no hold for you: pushes are refused."
        }
        _ => "It is saved. Images that you push from now on go to this hold.",
    };
    let (login, account) = (login(web, did).await?, own(web, did).await?);
    let wanted = SailorProfile { choice, auto_remove: fields.get("auto_remove").is_some() };
    web.holds.choose(&login, &account, &wanted, (web.settings.clock)()).await?;
    tracing::info!(%did, "{did} chose a hold");
    Ok(sentence)
}

/// Handles `POST`: signs a browser out.
pub(super) async fn end_session(web: &Web, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    if leaving::has_left(web, &request.head) {
        return Ok(leaving::signed_out(web, None));
    }
    let SignedInRequest { browser, account: did, fields } = signed_in::form(web, request, trace).await?;
    let id = fields.get("session").and_then(|id| HEXLOWER.decode(id.as_bytes()).ok()?.try_into().ok());
    let id = id.ok_or_else(|| WebError::bad_form("the session is missing"))?;
    if id == browser.hash() {
        leaving::leave(web, &browser, web.browsers.end_of(id, &did)).await?;
        let ended = leaving::end_unused(web, &did).await?;
        return Ok(leaving::signed_out(web, ended.as_ref()));
    }
    web.browsers.end_of(id, &did).await?;
    Ok(browser.go_and_say(Endpoint::Settings.path(), "That browser is signed out."))
}

/// Returns the hold that a user typed by its DID, URL or host.
async fn found(web: &Web, text: &str) -> Result<HoldId, WebError> {
    match named(text)? {
        HoldId::Web(url) => web.holds.at(&url).await.map_err(not_chosen),
        hold @ HoldId::Plc(_) => Ok(hold),
    }
}

fn not_chosen(error: impl std::fmt::Display) -> WebError {
    WebError::bad_form(format!("this hold cannot be chosen: {error}"))
}

/// Parses a hold that a user typed: its DID, URL or host.
fn named(text: &str) -> Result<HoldId, WebError> {
    let found = hold_of(text).or_else(|| hold_of(&format!("https://{text}")));
    found.ok_or_else(|| WebError::bad_form("a hold is named by its DID (did:web:hold.example.org) or its host"))
}

/// Returns the account's OAuth session at its PDS.
pub(super) async fn login(web: &Web, account: &Did) -> Result<Login, WebError> {
    Ok(web.sessions.by_oauth(account).await?)
}

/// Resolves the signed-in account.
pub(super) async fn own(web: &Web, account: &Did) -> Result<Arc<Account>, WebError> {
    let owner = Owner::Did(account.clone());
    Ok(web.owners.find(&owner, &Caller::Account(account.clone())).await?)
}

/// Returns the settings. After a form that was refused, they have its fields in place of what is chosen.
async fn overview(
    web: &Web,
    browser: Browser,
    did: Did,
    message: &str,
    refused_form: Option<RefusedForm<'_>>,
) -> Result<Response, WebError> {
    let now_us = (web.settings.clock)();
    let this = browser.hash();
    let sessions = web.browsers.of_account(&did).await?;
    let sessions = sessions.into_iter().map(|row| ShownSession {
        id: HEXLOWER.encode(&row.cookie),
        since: Ago::of(row.created_us, now_us),
        until: Ago::of(row.expires_us, now_us).exact,
        is_this: row.cookie == this,
    });
    let sessions = sessions.collect();
    let refused = refused(web, &did, now_us).await?;
    let viewer = Viewer::signed_in(web, browser, did.clone(), Endpoint::Settings.path()).await;
    let account = own(web, &did).await?;
    let (form, problem) = match refused_form {
        // The PDS, which may be why, is not asked again.
        Some(RefusedForm { fields, error }) => (Some(Form::refused(fields)), Some(error.sentence())),
        None => match answer_within(PROFILE_TIME, web.holds.chosen(&account)).await {
            Ok(chosen) => (Some(Form::of(&chosen)), None),
            Err(error) => (None, Some(format!("Your profile cannot be read now: {error}."))),
        },
    };
    let chosen = form.as_ref().and_then(|form| HoldId::of_did(&Did::parse(&form.hold).ok()?).ok());
    let page = SettingsPage {
        frame: Frame::of_viewer(web, &viewer),
        name: &viewer.name,
        account: did.as_str(),
        message,
        problem,
        hold_action: Endpoint::ChooseHold.path(),
        end_action: Endpoint::EndSession.path(),
        data: Endpoint::AccountData.path(),
        forget_action: Endpoint::ForgetAccount.path(),
        holds: menu(web, &account, chosen.as_ref()).await,
        form,
        default: web.holds.default_hold().map(|hold| hold.to_string()),
        sessions,
        refused,
    };
    Ok(pages::finish(web, None, page.render(), Shown::default()))
}

/// Returns the images that holds did not take of late, the newest first.
async fn refused(web: &Web, did: &Did, now_us: u64) -> Result<Vec<ShownRefusal>, WebError> {
    let owner = Owner::Did(did.clone());
    let shown = |row: RefusedNotice| {
        let (name, digest) = (ImageName::parse(&row.repository).ok()?, Digest::parse(&row.manifest).ok()?);
        Some(ShownRefusal {
            name: format!("{name}@sha256:{}…", site::short(&digest)),
            path: format!("{}@{digest}", site::path_of(&owner, &name)),
            since: Ago::of(row.refused_us, now_us),
            problem: site::reason(&row.problem),
        })
    };
    Ok(web.images.refused_of(did).await?.into_iter().filter_map(shown).take(MAX_REFUSED).collect())
}

/// Returns the holds to choose from, in this order: the account's choice, the registry's default, those that have the
/// account's images, and those that name it as a member of their crew, which any hold may do with any account.
async fn menu(web: &Web, account: &Arc<Account>, chosen: Option<&HoldId>) -> Vec<ShownHold> {
    let inventory = web.catalog.inventory(account).await.ok();
    let of_images = inventory.iter().flat_map(|inventory| inventory.manifests.values());
    let of_images: BTreeMap<_, _> =
        of_images.filter_map(|manifest| manifest.hold.clone()).map(|hold| (hold.did().to_string(), hold)).collect();
    let of_crew = web.index.holds_of(&account.did, MAX_HOLDS).await.unwrap_or_default();
    let of_crew = of_crew.iter().filter_map(|hold| HoldId::of_did(hold).ok());
    let own = chosen.cloned().into_iter().chain(web.holds.default_hold()).chain(of_images.into_values());
    let mut known = BTreeSet::new();
    let holds = own.chain(of_crew).filter(|hold| known.insert(hold.did().to_string())).take(MAX_HOLDS);
    let looks: Vec<_> = holds
        .map(|hold| async move {
            let words = words(web, &hold, &account.did).await;
            ShownHold { did: hold.did().to_string(), words, name: hold.to_string() }
        })
        .collect();
    futures_util::future::join_all(looks).await
}

/// Returns a text about who may pull from a hold, and whether the account may push to it.
async fn words(web: &Web, hold: &HoldId, account: &Did) -> String {
    let (captain, writer) = tokio::join!(web.catalog.captain(hold), web.catalog.may_write(hold, account));
    let Ok(captain) = captain else { return "It does not answer now.".into() };
    let reads = if captain.public { "Anyone may pull from it." } else { "Only its crew may pull from it." };
    let writes = match writer {
        _ if captain.owner == *account => "It is yours.",
        Ok(true) => "You may push to it.",
        _ if captain.allow_all_crew => "Anyone may join it and push.",
        Ok(false) => "You may not push to it: ask its owner.",
        Err(_) => "Whether you may push to it is not known now.",
    };
    let moved = if captain.successor.is_some() { " It has moved to another hold." } else { "" };
    format!("{reads} {writes}{moved}")
}
