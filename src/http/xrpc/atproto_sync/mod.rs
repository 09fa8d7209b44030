//! `com.atproto.sync.*`: the repository as signed blocks and events, and blobs.

pub(in crate::http) mod get_blob;
pub(in crate::http) mod get_blocks;
pub(in crate::http) mod get_latest_commit;
pub(in crate::http) mod get_record;
pub(in crate::http) mod get_repo;
pub(in crate::http) mod get_repo_status;
pub(in crate::http) mod list_repos;
pub(in crate::http) mod subscribe_repos;

use crate::http::error::Error;
use crate::http::request::{Query, check_repo};
use crate::http::state::State;
use crate::pds::Head;

/// The `did` parameter must name our repository.
fn check_did(state: &State, query: &Query) -> Result<(), Error> {
    check_repo(query.required("did")?, state.pds.did(), None)
}

/// The head of our repository, which exists from the first start on.
async fn head(state: &State) -> Result<Head, Error> {
    state.pds.head().await?.ok_or_else(Error::repo_not_found)
}
