//! `app.bsky.actor.*`: the hold's profile, for software that shows accounts.

pub(in crate::api) mod get_profile;
pub(in crate::api) mod get_profiles;

use crate::api::request::check_repo;
use crate::api::state::ApiState;
use crate::pds::Records;
use atproto::lexicon::{SELF_KEY, nsid};
use atproto::syntax::{Did, Handle};
use serde_json::{Value, json};
use server::xrpc::Error;

/// Fields that a profile view copies from the record.
const SHOWN: [&str; 3] = ["displayName", "description", "createdAt"];
/// Fields that are blobs in the record, and their URLs in a view.
const PICTURES: [&str; 2] = ["avatar", "banner"];

/// Whether `actor` is the hold's own account.
fn is_ours(state: &ApiState, actor: &str) -> Result<bool, Error> {
    if Did::parse(actor).is_err() && Handle::parse(actor).is_err() {
        return Err(Error::invalid("an actor is a DID or a handle"));
    }
    Ok(check_repo(actor, state.hold.pds.did(), state.hold.pds.handle()).is_ok())
}

/// Returns the CID of the blob in a field of a record.
pub(in crate::api) fn blob_of<'r>(record: &'r Value, field: &str) -> Option<&'r str> {
    record.get(field)?.get("ref")?.get("$link")?.as_str()
}

/// Returns the path at which anyone can read a blob of a record.
pub(in crate::api) fn blob_path(state: &ApiState, cid: &str) -> String {
    let did = state.hold.pds.did().to_string();
    let query =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("did", &did).append_pair("cid", cid).finish();
    format!("/xrpc/{}?{query}", nsid::SYNC_GET_BLOB)
}

/// Returns the hold's profile as `app.bsky.actor.defs#profileViewDetailed`.
async fn view(state: &ApiState) -> Result<Value, Error> {
    let record = state.hold.pds.read(|records: &Records<'_>| records.get(&nsid::PROFILE, SELF_KEY)).await?;
    let mut view = json!({ "did": state.hold.pds.did(), "handle": state.shown_handle() });
    for name in SHOWN {
        if let Some(value) = record.as_ref().and_then(|record| record.value.get(name)) {
            view[name] = value.clone();
        }
    }
    for name in PICTURES {
        let cid = record.as_ref().and_then(|record| blob_of(&record.value, name));
        if let Some(cid) = cid {
            view[name] = format!("{}{}", state.hold.pds.url(), blob_path(state, cid)).into();
        }
    }
    Ok(view)
}
