//! `com.atproto.repo.*`: records, read by anyone, written by the captain and crew admins.

pub(in crate::api) mod apply_writes;
pub(in crate::api) mod create_record;
pub(in crate::api) mod delete_record;
pub(in crate::api) mod describe_repo;
pub(in crate::api) mod get_record;
pub(in crate::api) mod list_records;
pub(in crate::api) mod put_record;
pub(in crate::api) mod upload_blob;

use crate::api::request::{check_repo, parse_cid};
use crate::api::state::ApiState;
use crate::crew::{CrewChange, CrewWrite};
use crate::gate::AdminPermit;
use crate::pds::Outcome;
use atproto::lexicon::{CommitMeta, RecordResult};
use atproto::repo::Cid;
use atproto::syntax::AtUri;
use server::xrpc::Error;

/// Checks the fields that all writing methods share, and parses the commit that they may name.
fn check_write(state: &ApiState, repo: &str, swap_commit: Option<&str>) -> Result<Option<Cid>, Error> {
    check_repo(repo, state.hold.pds.did(), state.hold.pds.handle())?;
    swap_commit.map(|text| parse_cid("swapCommit", text)).transpose()
}

/// Applies one write, for the methods other than applyWrites.
async fn write_one(
    state: &ApiState,
    permit: &AdminPermit,
    change: CrewChange,
    swap_commit: Option<Cid>,
) -> Result<RecordResult, Error> {
    let removes = matches!(change.write, CrewWrite::Delete | CrewWrite::DeleteIfPresent);
    let manager = permit.manager().clone();
    let (outcome, uris) = state.hold.crew.apply(manager, vec![change], swap_commit, state.hold.now_us()).await?;
    let commit = commit_meta(&outcome);
    if removes {
        return Ok(RecordResult { kind: None, uri: None, cid: None, commit, validation_status: None });
    }
    let (uri, cid) = (uris.into_iter().next(), outcome.cids.into_iter().next().flatten());
    Ok(written(None, uri, cid, commit))
}

fn written(
    kind: Option<&'static str>,
    uri: Option<AtUri>,
    cid: Option<Cid>,
    commit: Option<CommitMeta>,
) -> RecordResult {
    RecordResult {
        kind: kind.map(str::to_owned),
        uri,
        cid: cid.map(|cid| cid.to_string()),
        commit,
        validation_status: Some("valid".into()),
    }
}

fn commit_meta(outcome: &Outcome) -> Option<CommitMeta> {
    let (cid, rev) = outcome.commit.as_ref()?;
    Some(CommitMeta { cid: cid.to_string(), rev: rev.to_string() })
}
