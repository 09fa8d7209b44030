//! The captain, crew and profile that the configuration declares, and the members it declared before.

use std::collections::{BTreeMap, BTreeSet};

use super::{CrewError, encode};
use crate::pds::{NewBlob, RecordChange, RecordWrite, Records};
use atproto::lexicon::nsid::Collection;
use atproto::lexicon::{Permission, Swap};
use atproto::syntax::{Did, RecordKey, ServiceUrl};

/// The captain, crew and profile that the configuration declares.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The public URL; its host is the profile's name unless another is declared.
    pub url: ServiceUrl,
    /// The profile.
    pub profile: DeclaredProfile,
    /// The captain.
    pub owner: Did,
    /// Whether anyone may read blobs.
    pub public: bool,
    /// Whether any account may join.
    pub allow_all_crew: bool,
    /// Whether a new captain record enables posts about pushes; later only the captain changes that.
    pub bluesky_posts: bool,
    /// The region in the captain record.
    pub region: Option<String>,
    /// The hold that follows this one.
    pub successor: Option<Did>,
    /// Members besides the captain.
    pub crew: BTreeMap<Did, DeclaredMember>,
}

/// The declared profile. A field that is `None` stays as it is in the record.
#[derive(Clone, Debug, Default)]
pub struct DeclaredProfile {
    /// The display name.
    pub display_name: Option<String>,
    /// The description of the hold.
    pub description: Option<String>,
    /// The picture.
    pub avatar: Option<NewBlob>,
}

/// A declared member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredMember {
    /// The role, for display.
    pub role: String,
    /// Its permissions.
    pub permissions: Vec<Permission>,
    /// The quota tier.
    pub tier: Option<String>,
}

/// Name of the value in `meta` with the declared members, so that they are removed when their declaration is.
pub(super) const META_NAME: &str = "declared_crew";

/// Returns the members that the configuration declared at the last start or reload, with the owner.
pub(super) fn declared_members(records: &Records<'_>) -> Result<BTreeSet<Did>, CrewError> {
    let declared = records.meta(META_NAME)?.map(|text| serde_json::from_str(&text)).transpose();
    Ok(declared.map_err(|e| CrewError::Unreadable(e.to_string()))?.unwrap_or_default())
}

/// Whether the configuration declared this member at the last start or reload.
///
/// # Errors
/// [`CrewError::Unreadable`] or a storage error.
pub fn is_declared(records: &Records<'_>, member: &Did) -> Result<bool, CrewError> {
    Ok(declared_members(records)?.contains(member))
}

/// Returns the change that creates or replaces the record `rkey`.
pub(super) fn put(
    collection: Collection,
    rkey: RecordKey,
    record: &impl serde::Serialize,
) -> Result<RecordChange, CrewError> {
    Ok(change(collection, rkey, RecordWrite::Put(encode(collection, record)?)))
}

/// Returns the change `write` of the record `rkey` of `collection`.
pub(super) fn change(collection: Collection, rkey: RecordKey, write: RecordWrite) -> RecordChange {
    RecordChange { collection: collection.into(), rkey, write, swap: Swap::Any }
}
