//! The page of an account: its profile and its repositories.

use std::cmp::Reverse;

use askama::Template;

use super::shown::{Ago, path_of};
use super::{Subject, shown};
use crate::catalog::{Inventory, ListedTag, LookUpError};
use crate::web::pages::{self, Frame, Shown};
use crate::web::refusal::WebError;
use crate::web::viewer::Viewer;
use crate::web::{Endpoint, Web};
use atproto::syntax::{Datetime, ImageName};
use server::wire::Response;

/// Most repositories on the page; others are found by their names.
const MAX_REPOSITORIES: usize = 500;

/// A repository in the list.
struct Row {
    name: String,
    path: String,
    tags: String,
    written: Option<Ago>,
    description: Option<String>,
}

#[derive(Template)]
#[template(path = "owner.html")]
struct OwnerPage<'p> {
    frame: Frame<'p>,
    owner: String,
    did: &'p str,
    name: String,
    description: Option<&'p str>,
    picture: Option<String>,
    repositories: Vec<Row>,
    /// Reason why the list is not complete.
    problem: Option<String>,
    left_out: usize,
    settings: Option<&'static str>,
}

pub(super) async fn show(web: &Web, viewer: &Viewer, subject: &Subject) -> Result<Response, WebError> {
    let (profile, inventory) =
        tokio::join!(web.catalog.profile(&subject.account), web.catalog.inventory(&subject.account));
    let now_us = (web.settings.clock)();
    let (repositories, problem) = match &inventory {
        Ok(inventory) => (rows(inventory, subject, now_us), partial(inventory)),
        Err(LookUpError::Inactive(why)) => return Err((*why).into()),
        Err(error) => (Vec::new(), Some(format!("The repositories cannot be shown now: {error}."))),
    };
    let profile = profile.unwrap_or_default();
    let owner = subject.owner.to_string();
    let page = OwnerPage {
        frame: Frame::of_viewer(web, viewer),
        did: subject.account.did.as_str(),
        name: profile.name.clone().unwrap_or_else(|| owner.clone()),
        description: profile.description.as_deref(),
        picture: profile.picture.map(|digest| format!("/picture/{owner}?{}", shown::short(&digest))),
        left_out: inventory.as_ref().map_or(0, |inventory| inventory.repositories.len() - repositories.len()),
        owner,
        repositories,
        problem,
        settings: viewer.is(&subject.account.did).then_some(Endpoint::Settings.path()),
    };
    let page = pages::finish(web, None, page.render(), Shown::default());
    let unread = inventory.err().map(|error| WebError::away(error.to_string()));
    Ok(match unread {
        Some(error) => error.mark(page),
        None => page,
    })
}

/// Returns a message if only a part of the records was listed.
pub(super) fn partial(inventory: &Inventory) -> Option<String> {
    let text = "This account has more records than are looked through here: the list is not complete.";
    (!inventory.is_whole).then(|| text.to_owned())
}

fn rows(inventory: &Inventory, subject: &Subject, now_us: u64) -> Vec<Row> {
    let mut all: Vec<_> = inventory.repositories.iter().collect();
    all.sort_by_cached_key(|(name, tags)| {
        let newest = tags.first().and_then(|tag| tag.written.as_ref().map(Datetime::to_micros));
        (Reverse(newest), (*name).clone())
    });
    let row = |(name, tags): (&ImageName, &Vec<ListedTag>)| {
        let count = tags.iter().filter(|tag| tag.tag.attached_to().is_none()).count() as u64;
        let newest = tags.iter().find_map(|tag| inventory.manifests.get(&tag.digest)?.description.clone());
        Row {
            name: name.to_string(),
            path: path_of(&subject.owner, name),
            tags: if count == 0 { "no tags".to_owned() } else { server::text::with_noun(count, "tag") },
            written: tags.first().and_then(|tag| Ago::of_record(tag.written.as_ref(), now_us)),
            description: newest,
        }
    };
    all.into_iter().take(MAX_REPOSITORIES).map(row).collect()
}
