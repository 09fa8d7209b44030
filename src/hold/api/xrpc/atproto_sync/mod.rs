//! `com.atproto.sync.*`: the repository as signed blocks and events, and blobs.

pub(in crate::api) mod get_blob;
pub(in crate::api) mod get_blocks;
pub(in crate::api) mod get_latest_commit;
pub(in crate::api) mod get_record;
pub(in crate::api) mod get_repo;
pub(in crate::api) mod get_repo_status;
pub(in crate::api) mod list_blobs;
pub(in crate::api) mod list_repos;
pub(in crate::api) mod subscribe_repos;

use crate::api::refusal;
use crate::api::request::check_repo;
use crate::api::state::ApiState;
use crate::pds::Head;
use atproto::syntax::Tid;
use server::xrpc::{Error, Query};

/// Checks that the parameter `did` names the hold's repository.
fn check_did(state: &ApiState, query: &Query) -> Result<(), Error> {
    check_repo(query.required("did")?, state.hold.pds.did(), None)
}

/// Parses the parameter `since`.
fn since(query: &Query) -> Result<Option<Tid>, Error> {
    query.get("since")?.map(Tid::parse).transpose().map_err(|e| Error::invalid(format!("since is {e}")))
}

/// Returns the head of the repository, which exists from the first start on.
async fn head(state: &ApiState) -> Result<Head, Error> {
    state.hold.pds.head().await?.ok_or_else(refusal::repo_not_found)
}
