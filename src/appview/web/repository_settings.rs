//! Settings of a repository: the text and the picture of its page, and deletion of tags and manifests.

use std::cmp::Reverse;
use std::sync::Arc;

use askama::Template;

use super::browser::Browser;
use super::endpoint::FORM_TIME;
use super::form::{Fields, Upload};
use super::pages::{self, Frame, Shown};
use super::refusal::{WebError, Written};
use super::settings::{login, own};
use super::signed_in::{self, SignedInRequest};
use super::viewer::Viewer;
use super::{Endpoint, Web};
use crate::catalog::{Inventory, ListedTag, NewPicture, PageChange, is_drawable, looks_like};
use crate::gate::DeletePermit;
use crate::names::{Owner, Reference, RepositoryName};
use atproto::lexicon::RepoPage;
use atproto::syntax::{Datetime, Did, Digest, ImageName, Tag};
use server::bulkhead::Overload;
use server::egress::answer_within;
use server::identity::Account;
use server::wire::{Request, Response};
use server::xrpc::{Trace, header};

/// Longest form with a page's text: three times the longest text, so that one that is too long is shown again, with every
/// byte percent-encoded, and the other fields.
const MAX_FORM_BYTES: u64 = RepoPage::MAX_DESCRIPTION_BYTES as u64 * 3 * 3 + 4096;
/// Longest name of a repository that a form which was refused is shown with.
const MAX_NAME_CHARS: usize = 300;
/// Most tags, and most manifests, that the page lists: the newest.
const MAX_LISTED: usize = 200;

/// A tag or a manifest that can be deleted.
struct Deletable {
    shown: String,
    /// The tag or the digest, as the form sends it.
    reference: String,
    words: String,
}

#[derive(Template)]
#[template(path = "repository_settings.html")]
struct RepositorySettingsPage<'p> {
    frame: Frame<'p>,
    name: &'p str,
    path: String,
    message: &'p str,
    problem: Option<String>,
    /// The text, unless it cannot be read now: a form without it would be saved over it.
    text: Option<String>,
    max_bytes: usize,
    picture: Option<String>,
    page_action: &'static str,
    picture_action: &'static str,
    delete_action: &'static str,
    /// Path of the repository's webhooks, if the registry has webhooks.
    webhooks: Option<String>,
    /// Whether tags and manifests could be listed.
    is_listed: bool,
    tags: Vec<Deletable>,
    /// A text about the tags that are left out, if there are any.
    cut_tags: Option<String>,
    manifests: Vec<Deletable>,
    cut_manifests: Option<String>,
}

#[derive(Template)]
#[template(path = "delete.html")]
struct DeletePage<'p> {
    frame: Frame<'p>,
    name: &'p str,
    reference: &'p str,
    /// Whether a manifest is deleted, and with it the tags that point to it.
    is_manifest: bool,
    action: &'static str,
    back: String,
}

/// Handles `GET`: shows the settings of the query's repository.
pub(super) async fn show(web: &Web, request: SignedInRequest) -> Result<Response, WebError> {
    let SignedInRequest { browser, account: did, fields } = request;
    let name = image_name(&fields)?;
    overview(web, browser, did, &name, browser.said(&fields)).await
}

/// Handles `POST`: changes the text of the page. What a person wrote for an hour is not lost with a session that ended
/// meanwhile, or whose token is outdated: if the browser says that the form is of one of our pages, its text is shown.
pub(super) async fn write_page(web: &Web, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    let is_ours = header(&request.head, "sec-fetch-site") == Some("same-origin");
    let sender = signed_in::sender(web, &request.head, trace).await;
    if sender.is_err() && !is_ours {
        return sender.and(Err(WebError::forged()));
    }
    let (head, fields) = Fields::of_body_within(request, MAX_FORM_BYTES).await?;
    let token = fields.get("token").unwrap_or_default();
    let checked = sender.and_then(|(browser, did)| browser.check(web, &head, token).map(|()| (browser, did)));
    if checked.is_err() && !is_ours {
        return checked.and(Err(WebError::forged()));
    }
    let text = fields.get("text").unwrap_or_default().replace("\r\n", "\n");
    let name = fields.get("name").unwrap_or_default();
    let written = async {
        let (browser, did) = checked?;
        let name = image_name(&fields)?;
        if text.len() > RepoPage::MAX_DESCRIPTION_BYTES {
            let (bytes, most) = (text.len(), RepoPage::MAX_DESCRIPTION_BYTES);
            return Err(WebError::bad_form(format!("the text has {bytes} bytes, {most} at most fit: shorten it")));
        }
        let (login, account) = (login(web, &did).await?, own(web, &did).await?);
        let change = PageChange { text: Some(text.clone()), picture: NewPicture::Same };
        web.catalog.write_page(&login, &account, &name, change).await?;
        Ok(browser.go_and_say(&Endpoint::RepositorySettings.for_repository(&name), "The page is saved."))
    };
    written.await.map_err(|error: WebError| match text.as_str() {
        "" => error,
        text => error.with_written(Written {
            name: server::text::line(name, MAX_NAME_CHARS).unwrap_or_default(),
            text: server::text::lines(text),
        }),
    })
}

/// Handles `POST`: changes the picture of the page; an empty file removes it.
pub(super) async fn write_picture(web: &Web, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    let (browser, did) = signed_in::sender(web, &request.head, trace).await?;
    let too_many = |overload| match overload {
        Overload::Caller => {
            WebError::too_many("you are sending other pictures at this moment: try again when they are saved")
        }
        Overload::Server => WebError::unavailable("too many pictures are sent at this moment: try again soon"),
    };
    let _slot = web.pictures.enter(&did).await.map_err(too_many)?;
    let (head, upload) = Upload::of_body(request, RepoPage::MAX_PICTURE_BYTES).await?;
    browser.check(web, &head, upload.fields.get("token").unwrap_or_default())?;
    let name = image_name(&upload.fields)?;
    let sentence = if upload.file.is_empty() { "The picture is removed." } else { "The picture is saved." };
    let picture = match upload.file {
        file if file.is_empty() => NewPicture::None,
        file => {
            let media_type = looks_like(&file).ok_or_else(|| WebError::bad_form("a picture is a PNG, JPEG or WebP"))?;
            if !is_drawable(&file) {
                return Err(WebError::bad_form("a picture has 25 million pixels at most"));
            }
            NewPicture::Bytes(media_type, file)
        }
    };
    let writing = async {
        let (login, account) = (login(web, &did).await?, own(web, &did).await?);
        web.catalog.write_page(&login, &account, &name, PageChange { text: None, picture }).await?;
        Ok(browser.go_and_say(&Endpoint::RepositorySettings.for_repository(&name), sentence))
    };
    answer_within(FORM_TIME, writing).await
}

/// Handles `POST`: asks for confirmation, then deletes a tag or a manifest.
pub(super) async fn delete(web: &Web, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    let SignedInRequest { browser, account: did, fields } = signed_in::form(web, request, trace).await?;
    let name = image_name(&fields)?;
    let text = fields.get("reference").unwrap_or_default();
    let reference = match (Tag::parse(text), Digest::parse(text)) {
        (Ok(tag), _) => Reference::Tag(tag),
        (_, Ok(digest)) => Reference::Digest(digest),
        _ => return Err(WebError::bad_form("a tag or a digest is missing")),
    };
    if fields.get("sure") != Some("yes") {
        let viewer = Viewer::signed_in(web, browser, did, &Endpoint::RepositorySettings.for_repository(&name)).await;
        let page = DeletePage {
            frame: Frame::of_viewer(web, &viewer),
            name: name.as_str(),
            reference: text,
            is_manifest: matches!(reference, Reference::Digest(_)),
            action: Endpoint::DeleteImage.path(),
            back: Endpoint::RepositorySettings.for_repository(&name),
        };
        return Ok(pages::finish(web, None, page.render(), Shown::default()));
    }
    let (login, account) = (login(web, &did).await?, own(web, &did).await?);
    let repository =
        RepositoryName::of(&Owner::Did(did.clone()), &name).map_err(|error| WebError::bad_form(error.to_string()))?;
    let permit = DeletePermit::of_owner(repository, &did, login).ok_or_else(WebError::forged)?;
    let was_there = web.images.delete(&permit, &account, &reference).await?;
    tracing::info!(%did, "{name} of {did}: {text} was deleted by a page");
    let message = if was_there { "It is deleted." } else { "It was already deleted." };
    Ok(browser.go_and_say(&Endpoint::RepositorySettings.for_repository(&name), message))
}

pub(super) fn image_name(fields: &Fields) -> Result<ImageName, WebError> {
    let name = fields.get("name").ok_or_else(|| WebError::bad_form("which repository?"))?;
    ImageName::parse(name).map_err(|error| WebError::bad_form(error.to_string()))
}

async fn overview(
    web: &Web,
    browser: Browser,
    did: Did,
    name: &ImageName,
    message: &str,
) -> Result<Response, WebError> {
    let viewer = Viewer::signed_in(web, browser, did.clone(), &Endpoint::RepositorySettings.for_repository(name)).await;
    let account: Arc<Account> = own(web, &did).await?;
    let (page, inventory) = tokio::join!(web.catalog.page(&account, name), web.catalog.inventory(&account));
    let problem =
        page.as_ref().err().map(ToString::to_string).or_else(|| inventory.as_ref().err().map(ToString::to_string));
    let text = page.as_ref().ok().map(|page| page.text.clone().unwrap_or_default());
    let is_listed = inventory.is_ok();
    let (page, inventory) = (page.unwrap_or_default(), inventory.unwrap_or_default());
    let tags = inventory.repositories.get(name);
    if tags.is_none() && inventory.is_whole && message.is_empty() {
        return Err(WebError::not_found("you have no such repository"));
    }
    let (tags, manifests) = (deletable_tags(tags.map_or(&[], Vec::as_slice)), deletable_manifests(&inventory, name));
    let shown = RepositorySettingsPage {
        frame: Frame::of_viewer(web, &viewer),
        name: name.as_str(),
        path: format!("/{}/{name}", viewer.name),
        message,
        problem,
        text,
        max_bytes: RepoPage::MAX_DESCRIPTION_BYTES,
        picture: page.picture.map(|digest| format!("/picture/{}/{name}?{}", viewer.name, digest.hex())),
        page_action: Endpoint::WritePage.path(),
        picture_action: Endpoint::WritePicture.path(),
        delete_action: Endpoint::DeleteImage.path(),
        webhooks: web.webhooks.is_on().then(|| Endpoint::Webhooks.for_repository(name)),
        is_listed,
        tags: tags.rows,
        cut_tags: tags.cut,
        manifests: manifests.rows,
        cut_manifests: manifests.cut,
    };
    Ok(pages::finish(web, None, shown.render(), Shown::default()))
}

/// What may be deleted, and a text about what is left out.
struct DeletableList {
    rows: Vec<Deletable>,
    cut: Option<String>,
}

fn deletable_tags(tags: &[ListedTag]) -> DeletableList {
    let rows = tags.iter().take(MAX_LISTED).map(|tag| Deletable {
        shown: tag.tag.to_string(),
        reference: tag.tag.to_string(),
        words: String::new(),
    });
    DeletableList { rows: rows.collect(), cut: cut(tags.len(), "tag") }
}

/// Returns the manifests of a repository, the newest first.
fn deletable_manifests(inventory: &Inventory, name: &ImageName) -> DeletableList {
    let manifests = inventory.manifests.iter().filter(|(_, manifest)| manifest.repository == *name);
    let mut manifests: Vec<_> = manifests.collect();
    manifests.sort_by_cached_key(|(digest, manifest)| {
        (Reverse(manifest.created.as_ref().map(Datetime::to_micros)), **digest)
    });
    let rows = manifests.iter().take(MAX_LISTED).map(|(digest, manifest)| Deletable {
        shown: digest.hex().chars().take(12).collect(),
        reference: digest.to_string(),
        words: manifest.words(),
    });
    DeletableList { rows: rows.collect(), cut: cut(manifests.len(), "manifest") }
}

/// Returns a text about what a list of `count` entries leaves out.
fn cut(count: usize, noun: &str) -> Option<String> {
    let all = || server::text::with_noun(count as u64, noun);
    (count > MAX_LISTED).then(|| format!("The newest {MAX_LISTED} of {} are shown: others follow as these go.", all()))
}
