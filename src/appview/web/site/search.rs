//! The search page: repositories by names, owners, words and tags; without words, all of them, sorted.

use askama::Template;
use http::request::Parts;

use super::shown::{Ago, path_of, size};
use crate::index::{FoundRepositories, FoundRepository, Position, RepositoryOrder, SearchWords};
use crate::names::Owner;
use crate::web::form::Fields;
use crate::web::pages::{self, Frame, Shown};
use crate::web::refusal::WebError;
use crate::web::viewer::Viewer;
use crate::web::{Endpoint, Web};
use server::bulkhead::Caller;
use server::text::with_noun;
use server::wire::Response;
use server::xrpc::Trace;

/// Repositories on a page.
const PAGE: usize = 25;
/// Longest search text, in characters.
pub(in crate::web) const MAX_QUERY_CHARS: usize = 1024;

/// A repository in the list.
struct Row<'p> {
    owner: String,
    name: &'p str,
    path: String,
    description: Option<&'p str>,
    facts: String,
    pushed: Option<Ago>,
}

/// An order in the menu.
struct ShownOrder {
    name: &'static str,
    words: &'static str,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage<'p> {
    frame: Frame<'p>,
    query: &'p str,
    orders: Vec<ShownOrder>,
    rows: Vec<Row<'p>>,
    first: Option<String>,
    next: Option<String>,
    is_partial: bool,
}

pub(in crate::web) async fn show(web: &Web, head: &Parts, trace: &mut Trace) -> Result<Response, WebError> {
    let viewer = Viewer::of(web, head).await?;
    trace.caller = viewer.account.clone();
    let caller = viewer.account.clone().map_or_else(|| trace.network(), Caller::Account);
    let _slot = super::enter(web, &caller).await?;
    let fields = Fields::of_query(head);
    let typed = fields.get("q").unwrap_or_default();
    if typed.chars().count() > MAX_QUERY_CHARS {
        return Err(WebError::bad_form("a search has at most 1,024 characters"));
    }
    let wrong = || WebError::bad_form("this page of images does not exist: begin at the first one");
    let after = fields.get("after").map(|text| Position::parse(text).ok_or_else(wrong)).transpose()?;
    let order = fields.get("sort").and_then(RepositoryOrder::parse).unwrap_or_default();
    let query = server::text::line(typed, MAX_QUERY_CHARS).unwrap_or_default();
    let found = match SearchWords::of(typed) {
        Some(words) => web.index.search(&words, order, PAGE, after).await?,
        None if query.is_empty() => web.index.list(None, order, PAGE, after).await?,
        // The text has no word.
        None => FoundRepositories::default(),
    };
    let now_us = (web.settings.clock)();
    let page = SearchPage {
        frame: Frame::of_viewer(web, &viewer),
        orders: orders(order),
        rows: found.repositories.iter().map(|repository| row(repository, now_us)).collect(),
        first: after.map(|_| path(&query, order, None)),
        next: found.next.map(|next| path(&query, order, Some(next))),
        is_partial: found.is_partial,
        query: &query,
    };
    Ok(pages::finish(web, None, page.render(), Shown::default()))
}

fn orders(chosen: RepositoryOrder) -> Vec<ShownOrder> {
    let words = |order| match order {
        RepositoryOrder::Pushed => "Newest",
        RepositoryOrder::Stars => "Most stars",
        RepositoryOrder::Pulls => "Most pulls",
    };
    let shown = |(name, order)| ShownOrder { name, words: words(order), is_chosen: order == chosen };
    RepositoryOrder::ALL.into_iter().map(shown).collect()
}

/// Returns the path of a page of results.
fn path(query: &str, order: RepositoryOrder, after: Option<Position>) -> String {
    let mut fields = url::form_urlencoded::Serializer::new(String::new());
    fields.append_pair("q", query).append_pair("sort", order.name());
    if let Some(after) = after {
        fields.append_pair("after", &after.to_text());
    }
    format!("{}?{}", Endpoint::Search.path(), fields.finish())
}

fn row(found: &FoundRepository, now_us: u64) -> Row<'_> {
    let owner = found.handle.clone().map_or_else(|| Owner::Did(found.owner.clone()), Owner::Handle);
    let count = |number: u64, noun| (number > 0).then(|| with_noun(number, noun));
    let facts = [
        found.newest_tag.as_ref().map(ToString::to_string),
        (found.tags > 1).then(|| with_noun(found.tags, "tag")),
        (!found.platforms.is_empty()).then(|| found.platforms.join(", ")),
        found.size_bytes.map(size),
        count(found.stars, "star"),
        count(found.pulls, "pull"),
    ];
    Row {
        path: path_of(&owner, &found.name),
        owner: owner.to_string(),
        name: found.name.as_str(),
        description: found.description.as_deref(),
        facts: facts.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        // A repository whose records have no time shows none.
        pushed: (found.pushed_us > 1).then(|| Ago::of(found.pushed_us, now_us)),
    }
}
