//! The page of a repository: the pull command, its tags, and its owner's text.

use std::collections::HashSet;

use askama::Template;
use http::request::Parts;

use super::owner::partial;
use super::shown::{self, Ago, path_of};
use super::{Subject, markdown, missing};
use crate::catalog::{Content, Inventory, ListedTag, LookUpError};
use crate::index::StarCount;
use crate::names::Reference;
use crate::web::form::Fields;
use crate::web::pages::{self, Frame, Shown};
use crate::web::refusal::WebError;
use crate::web::viewer::Viewer;
use crate::web::{Endpoint, Web};
use atproto::syntax::{Did, Digest, HoldId, ImageName};
use server::wire::Response;

/// Tags on a page.
const PAGE: usize = 100;

/// A tag in the list.
struct Row {
    tag: String,
    path: String,
    digest: String,
    digest_path: String,
    written: Option<Ago>,
    size: String,
}

#[derive(Template)]
#[template(path = "repository.html")]
struct RepositoryPage<'p> {
    frame: Frame<'p>,
    owner: String,
    owner_path: String,
    name: &'p str,
    /// The command that pulls the tag `latest`, or the newest one.
    pull: Option<String>,
    description: Option<&'p str>,
    readme: Option<String>,
    picture: Option<String>,
    tags: Vec<Row>,
    /// The number of tags, if they are known.
    count: Option<String>,
    untagged: Option<String>,
    newer: Option<String>,
    older: Option<String>,
    pulls: Option<String>,
    /// Whether the hold says that it is private: then clients sign in before they pull.
    is_private: bool,
    problem: Option<String>,
    edit: Option<String>,
    stars: Stars<'p>,
}

/// A page of the list of tags, and the links to those beside it.
struct TagPage {
    rows: Vec<Row>,
    newer: Option<String>,
    older: Option<String>,
}

/// The stars of a repository, and the form to add or remove the viewer's.
struct Stars<'p> {
    count: u64,
    words: String,
    is_given: bool,
    owner: &'p str,
    action: &'static str,
}

pub(super) async fn show(
    web: &Web,
    viewer: &Viewer,
    subject: &Subject,
    name: &ImageName,
    head: &Parts,
) -> Result<Response, WebError> {
    let account = &subject.account;
    let (inventory, content) = tokio::join!(web.catalog.inventory(account), web.catalog.page(account, name));
    let (inventory, problem, unread) = match inventory {
        Ok(inventory) => {
            let problem = partial(&inventory);
            (inventory, problem, None)
        }
        Err(LookUpError::Inactive(why)) => return Err(why.into()),
        Err(error) => {
            let problem = format!("The tags cannot be shown now: {error}.");
            (Default::default(), Some(problem), Some(WebError::away(error.to_string())))
        }
    };
    let tags = match inventory.repositories.get(name) {
        Some(tags) => tags.as_slice(),
        None if inventory.is_whole => {
            web.catalog.gone(&account.did, name, &inventory).await?;
            return Err(missing());
        }
        None => &[],
    };
    let tags: Vec<&ListedTag> = tags.iter().filter(|tag| tag.tag.attached_to().is_none()).collect();
    let (path, now_us) = (path_of(&subject.owner, name), (web.settings.clock)());
    let page = Fields::of_query(head).get("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let listed = tag_page(&inventory, &tags, page, &path, now_us);
    let newest = tags.first().and_then(|tag| inventory.manifests.get(&tag.digest));
    let content = content.unwrap_or_default();
    let stars = stars(web, viewer, &account.did, name).await?;
    let hold = newest.and_then(|manifest| manifest.hold.as_ref());
    let (pulls, is_private) = tokio::join!(pulls(web, subject, name, hold), is_private(web, hold));
    let shown = RepositoryPage {
        frame: Frame::of_viewer(web, viewer),
        owner: subject.owner.to_string(),
        owner_path: format!("/{}", subject.owner),
        name: name.as_str(),
        pull: pull(&inventory, &tags, &format!("{}{path}", web.settings.registry)),
        description: newest.and_then(|manifest| manifest.description.as_deref()),
        readme: content.text.as_deref().map(markdown::render),
        picture: content.picture.map(|digest| format!("/picture/{}/{name}?{}", subject.owner, shown::short(&digest))),
        count: unread.is_none().then(|| server::text::with_noun(tags.len() as u64, "tag")),
        untagged: untagged(&inventory, name),
        newer: listed.newer,
        older: listed.older,
        pulls,
        is_private,
        tags: listed.rows,
        problem,
        edit: viewer.is(&account.did).then(|| Endpoint::RepositorySettings.for_repository(name)),
        stars,
    };
    let page = pages::finish(web, None, shown.render(), Shown { script: true });
    Ok(match unread {
        Some(error) => error.mark(page),
        None => page,
    })
}

async fn stars<'p>(web: &Web, viewer: &Viewer, owner: &'p Did, name: &ImageName) -> Result<Stars<'p>, WebError> {
    let StarCount { count, own } = web.index.stars(owner, name, viewer.account.as_ref()).await?;
    Ok(Stars {
        count,
        words: server::text::with_noun(count, "star"),
        is_given: own.is_some(),
        owner: owner.as_str(),
        action: Endpoint::Star.path(),
    })
}

/// Returns the command that pulls the tag `latest`, or the newest one: of an image or a chart if there is one, as beside
/// them there are caches of builds.
fn pull(inventory: &Inventory, tags: &[&ListedTag], repository: &str) -> Option<String> {
    let content =
        |tag: &ListedTag| inventory.manifests.get(&tag.digest).map_or(Content::Image, |manifest| manifest.content);
    let latest = tags.iter().find(|tag| tag.tag.as_str() == "latest");
    let tag = latest.or_else(|| tags.iter().find(|tag| content(tag) != Content::Artifact)).or(tags.first())?;
    Some(shown::pull(content(tag), repository, &Reference::Tag(tag.tag.clone())))
}

/// Returns the page of the list with this number, or the last one: tags may have gone since the link to it was shown.
fn tag_page(inventory: &Inventory, tags: &[&ListedTag], number: usize, path: &str, now_us: u64) -> TagPage {
    let page = number.clamp(1, tags.len().div_ceil(PAGE).max(1));
    let turned = |to: usize| format!("{path}?page={to}");
    TagPage {
        rows: tags.iter().skip((page - 1) * PAGE).take(PAGE).map(|tag| row(inventory, tag, path, now_us)).collect(),
        newer: (page > 1).then(|| turned(page - 1)),
        older: (tags.len() > page * PAGE).then(|| turned(page + 1)),
    }
}

fn row(inventory: &Inventory, tag: &ListedTag, path: &str, now_us: u64) -> Row {
    Row {
        tag: tag.tag.to_string(),
        path: format!("{path}:{}", tag.tag),
        digest: shown::short(&tag.digest),
        digest_path: format!("{path}@{}", tag.digest),
        written: Ago::of_record(tag.written.as_ref(), now_us),
        size: size(inventory, &tag.digest),
    }
}

/// Returns the size of an image; of an index the range of its images' sizes.
fn size(inventory: &Inventory, digest: &Digest) -> String {
    let Some(manifest) = inventory.manifests.get(digest) else { return String::new() };
    if manifest.children.is_empty() {
        return shown::size(manifest.size_bytes);
    }
    let sizes =
        manifest.children.iter().filter_map(|child| inventory.manifests.get(child)).map(|child| child.size_bytes);
    let (least, most) = sizes.fold((u64::MAX, 0), |(least, most), size| (least.min(size), most.max(size)));
    match (shown::size(least), shown::size(most)) {
        _ if most == 0 => String::new(),
        (least, most) if least == most => most,
        (least, most) => format!("{least} – {most}"),
    }
}

/// Returns the number of untagged manifests of the repository: without a tag, not part of an index, and no referrers.
fn untagged(inventory: &Inventory, name: &ImageName) -> Option<String> {
    let mut reached: HashSet<Digest> = inventory.repositories.values().flatten().map(|tag| tag.digest).collect();
    reached.extend(inventory.manifests.values().flat_map(|manifest| manifest.children.iter().copied()));
    let count = inventory
        .manifests
        .iter()
        .filter(|(digest, manifest)| manifest.repository == *name && !manifest.has_subject && !reached.contains(digest))
        .count();
    (count > 0).then(|| server::text::with_noun(count as u64, "untagged manifest"))
}

async fn is_private(web: &Web, hold: Option<&HoldId>) -> bool {
    match hold {
        Some(hold) => web.catalog.captain(hold).await.is_ok_and(|captain| !captain.public),
        None => false,
    }
}

/// Returns the number of pulls, as the hold counts them.
async fn pulls(web: &Web, subject: &Subject, name: &ImageName, hold: Option<&HoldId>) -> Option<String> {
    let counts = web.catalog.counts(hold?, &subject.account.did, name).await.ok()?;
    Some(server::text::with_noun(counts.pulls, "pull"))
}
