//! The records of one account in the index, for that account to see.

use serde::{Deserialize, Serialize};

use atproto::syntax::{Datetime, Digest};

/// A repository in the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexedRepository {
    /// Name, without the owner.
    pub name: String,
    /// Description of its newest image.
    pub description: String,
    /// Beginning of its page.
    pub page: String,
    /// DID of the hold of its newest image.
    pub hold: String,
    /// Platforms of its newest image, separated by spaces.
    pub platforms: String,
    /// Size of its newest image.
    pub size_bytes: u64,
    /// The tag that was written last.
    pub newest_tag: String,
    /// Number of tags, 1,000 at most.
    pub tags: u64,
    /// Time of the last push, by the records.
    pub pushed_at: Datetime,
    /// Number of pulls, as counted by its hold.
    pub pulls: u64,
    /// Number of stars.
    pub stars: u64,
    /// Whether search results show it.
    pub is_shown: bool,
}

/// A tag in the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexedTag {
    /// The repository.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// Digest of the manifest.
    pub digest: Digest,
    /// Time of the last write.
    pub written_at: Datetime,
}

/// A manifest in the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexedManifest {
    /// The repository.
    pub repository: String,
    /// Digest.
    pub digest: Digest,
    /// DID of the hold.
    pub hold: String,
    /// Description from its annotations.
    pub description: String,
    /// Platforms, separated by spaces.
    pub platforms: String,
    /// Size of configuration and layers.
    pub size_bytes: u64,
    /// Time of the first push.
    pub created_at: Datetime,
}

/// A star that the account gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexedStar {
    /// The DID of the repository's owner.
    pub owner: String,
    /// The repository.
    pub name: String,
}

/// The records of an account in the index, all from its own public records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexedAccount {
    /// Handle, if its domain confirmed it.
    pub handle: Option<String>,
    /// Whether the account is active at its server.
    pub is_active: bool,
    /// Repositories of the account.
    pub repositories: Vec<IndexedRepository>,
    /// Tags of its repositories.
    pub tags: Vec<IndexedTag>,
    /// Manifests of its repositories.
    pub manifests: Vec<IndexedManifest>,
    /// Stars that the account gave.
    pub stars: Vec<IndexedStar>,
}
