//! The profile that the configuration declares.

use serde_json::{Value, json};

use super::CrewError;
use super::declared::{Declared, DeclaredProfile, put};
use crate::pds::RecordChange;
use atproto::lexicon::{nsid, self_key};
use atproto::repo::cbor;
use atproto::syntax::Datetime;

/// The description of a hold whose configuration declares none.
pub const DEFAULT_DESCRIPTION: &str =
    "A hold: blob storage for container images of the ATCR registry (https://atcr.io).";

/// Returns the change that makes the profile match `declared`; `None` when it does.
pub(super) fn change(
    declared: &Declared,
    old: Option<&Value>,
    now: &Datetime,
) -> Result<Option<RecordChange>, CrewError> {
    let first =
        || json!({ "displayName": declared.url.authority(), "description": DEFAULT_DESCRIPTION, "createdAt": now });
    let mut new = old.cloned().unwrap_or_else(first);
    let DeclaredProfile { display_name, description, avatar } = &declared.profile;
    let fields = [
        ("displayName", display_name.as_deref().map(Value::from)),
        ("description", description.as_deref().map(Value::from)),
        ("avatar", avatar.as_ref().map(|blob| cbor::to_json(&blob.reference.to_ipld()))),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            new[name] = value;
        }
    }
    if old == Some(&new) { Ok(None) } else { put(nsid::PROFILE, self_key(), &new).map(Some) }
}
