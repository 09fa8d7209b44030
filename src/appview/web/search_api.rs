//! The XRPC queries `searchRepositories` and `listRepositories`. <https://atproto.com/specs/xrpc>

use http::request::Parts;
use http::{Method as HttpMethod, StatusCode};

use super::site::{self, MAX_QUERY_CHARS};
use super::{Web, WebError};
use crate::index::{FoundRepositories, FoundRepository, Position, RepositoryOrder, SearchWords};
use crate::names::Owner;
use atproto::lexicon::error as name;
use atproto::lexicon::nsid::{self, Method};
use atproto::lexicon::{RepositoriesPage, RepositoryView};
use atproto::syntax::{Datetime, Did};
use server::bulkhead::Caller;
use server::storage::StorageError;
use server::wire::Response;
use server::xrpc::{Error, Query, response};

const DEFAULT_LIMIT: u32 = 25;
const MAX_LIMIT: u32 = 100;

pub(super) async fn answer(web: &Web, method: Method, head: &Parts, caller: &Caller) -> Result<Response, Error> {
    if !matches!(head.method, HttpMethod::GET | HttpMethod::HEAD) {
        let message = "use GET here";
        return Err(Error::new(StatusCode::METHOD_NOT_ALLOWED, name::METHOD_NOT_ALLOWED, message));
    }
    let _slot = site::enter(web, caller).await.map_err(of_page)?;
    let query = Query::of(head);
    let limit = query.limit(DEFAULT_LIMIT, MAX_LIMIT)? as usize;
    let wrong = || Error::invalid("cursor is none of this method");
    let after = query.get("cursor")?.map(|text| Position::parse(text).ok_or_else(wrong)).transpose()?;
    let order = match query.get("sort")? {
        None => RepositoryOrder::default(),
        Some(text) => {
            RepositoryOrder::parse(text).ok_or_else(|| Error::invalid("sort must be pushed, stars or pulls"))?
        }
    };
    let found = if method == nsid::SEARCH_REPOSITORIES {
        let text = query.required("q")?;
        if text.chars().count() > MAX_QUERY_CHARS {
            return Err(Error::invalid("q has at most 1024 characters"));
        }
        match SearchWords::of(text) {
            Some(words) => web.index.search(&words, order, limit, after).await,
            None => Ok(FoundRepositories::default()),
        }
    } else {
        let owner = match query.get("owner")? {
            Some(text) => Some(owner(web, text, caller).await?),
            None => None,
        };
        web.index.list(owner.as_ref(), order, limit, after).await
    };
    let found = found.map_err(of_storage)?;
    let page = RepositoriesPage {
        cursor: found.next.map(Position::to_text),
        repositories: found.repositories.into_iter().map(view).collect(),
    };
    Ok(response::json(&page))
}

async fn owner(web: &Web, text: &str, caller: &Caller) -> Result<Did, Error> {
    match Owner::parse(text).map_err(|error| Error::invalid(format!("owner is {error}")))? {
        Owner::Did(did) => Ok(did),
        owner @ Owner::Handle(_) => Ok(site::find(web, &owner, caller).await.map_err(of_page)?.account.did.clone()),
    }
}

fn view(found: FoundRepository) -> RepositoryView {
    RepositoryView {
        owner_did: found.owner,
        owner_handle: found.handle,
        repository: found.name,
        description: found.description,
        platforms: found.platforms,
        size: found.size_bytes,
        tag: found.newest_tag,
        tag_count: found.tags,
        star_count: found.stars,
        pull_count: found.pulls,
        pushed_at: Datetime::from_micros(found.pushed_us),
    }
}

/// Converts an error of a page.
fn of_page(error: WebError) -> Error {
    match error.status {
        StatusCode::TOO_MANY_REQUESTS => Error::rate_limited().saying(error.message),
        status if status.is_client_error() => Error::invalid(error.message),
        status => Error::new(status, name::UNAVAILABLE, error.message).retry_soon(),
    }
}

fn of_storage(error: StorageError) -> Error {
    let message = "the registry failed; its log says why";
    Error::new(StatusCode::INTERNAL_SERVER_ERROR, name::INTERNAL, message).because(error)
}
