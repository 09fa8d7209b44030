//! `com.atproto.sync.*`: the repository as signed blocks and events, and blobs.

pub(in crate::http) mod get_blob;
pub(in crate::http) mod get_blocks;
pub(in crate::http) mod get_latest_commit;
pub(in crate::http) mod get_record;
pub(in crate::http) mod get_repo;
pub(in crate::http) mod get_repo_status;
pub(in crate::http) mod list_blobs;
pub(in crate::http) mod list_repos;
pub(in crate::http) mod subscribe_repos;

use crate::http::error::Error;
use crate::http::request::{Query, check_repo};
use crate::http::state::State;
use crate::pds::Head;
use crate::syntax::Tid;

/// The `did` parameter must name our repository.
fn check_did(state: &State, query: &Query) -> Result<(), Error> {
    check_repo(query.required("did")?, state.pds.did(), None)
}

/// The revision after which the caller wants to know.
fn since(query: &Query) -> Result<Option<Tid>, Error> {
    query.get("since")?.map(Tid::parse).transpose().map_err(|e| Error::invalid(format!("since is {e}")))
}

/// The head of our repository, which exists from the first start on.
async fn head(state: &State) -> Result<Head, Error> {
    state.pds.head().await?.ok_or_else(Error::repo_not_found)
}
