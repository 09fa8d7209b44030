//! Outputs of the methods by which the registry front end lists repositories.

use serde::{Deserialize, Serialize};

use crate::syntax::{Datetime, Did, Handle, ImageName, Tag};

/// A repository, by unverified records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryView {
    /// The owner of the repository.
    pub owner_did: Did,
    /// Its owner's handle, if it is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_handle: Option<Handle>,
    /// The name of the repository.
    pub repository: ImageName,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The platforms of the newest image, such as `linux/arm64`, where its record names them.
    pub platforms: Vec<String>,
    /// Size of the newest image in bytes, where that is a single image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The newest tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// Number of tags; 1,000 also stands for more.
    pub tag_count: u64,
    /// Number of accounts that starred it.
    pub star_count: u64,
    /// Number of pulls, as its hold counts.
    pub pull_count: u64,
    /// Time when the newest tag was written.
    pub pushed_at: Datetime,
}

/// Output of `searchRepositories` and of `listRepositories`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoriesPage {
    /// Cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The repositories, in the order of the method.
    pub repositories: Vec<RepositoryView>,
}
