//! The records of a hold's repository. Unknown fields are kept in `other`, so that a record written by a newer program
//! survives an update by this one.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::tag::key;
use crate::syntax::{Datetime, Did, RecordKey};

/// The record key of the captain and the profile records.
pub const SELF_KEY: &str = "self";

/// Returns [`SELF_KEY`] as a key.
#[must_use]
pub fn self_key() -> RecordKey {
    key(SELF_KEY)
}

/// The role of the captain's own crew record.
pub const ROLE_OWNER: &str = "owner";
/// The role of a member who joined on request.
pub const ROLE_MEMBER: &str = "member";

/// `io.atcr.hold.captain/self`: the owner of the hold, and its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Captain {
    /// DID of the owner.
    pub owner: Did,
    /// Whether anyone may read blobs.
    pub public: bool,
    /// Whether any account may join the crew.
    pub allow_all_crew: bool,
    /// Whether a push creates a post. Older records lack it.
    #[serde(default)]
    pub enable_bluesky_posts: bool,
    /// Time of the hold's first start.
    pub deployed_at: Datetime,
    /// The region of the blob storage, as the storage provider names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// DID of the hold that succeeds this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successor: Option<Did>,
    /// Unknown fields, and `$type`.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `io.atcr.hold.crew/<rkey>`: one member and its permissions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Crew {
    /// DID of the member.
    pub member: Did,
    /// The role, for display: `owner`, `admin`, `member`.
    pub role: String,
    /// Permission strings; see [`Permission`](super::Permission).
    pub permissions: Vec<String>,
    /// Time when the member was added.
    pub added_at: Datetime,
    /// The quota tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Unknown fields, and `$type`.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Crew {
    /// Checks the lexicon's limits of lengths, in bytes.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check_lengths(&self) -> Result<(), &'static str> {
        if self.role.len() > 32 {
            return Err("role has at most 32 bytes");
        }
        if self.tier.as_ref().is_some_and(|tier| tier.len() > 32) {
            return Err("tier has at most 32 bytes");
        }
        if self.permissions.iter().any(|permission| permission.len() > 64) {
            return Err("each permission has at most 64 bytes");
        }
        Ok(())
    }
}
