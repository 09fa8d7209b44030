//! Outputs of the methods by which the registry front end tells what repositories it knows.

use serde::{Deserialize, Serialize};

use crate::syntax::{Datetime, Did, Handle, ImageName, Tag};

/// A repository, as records say of it: unproven.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryView {
    /// Whose it is.
    pub owner_did: Did,
    /// Its owner's handle, where the domain agrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_handle: Option<Handle>,
    /// Its name.
    pub repository: ImageName,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What the newest image runs on, such as `linux/arm64`, where its record says it.
    pub platforms: Vec<String>,
    /// The size of the newest image in bytes, where that is one image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The newest tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// How many tags there are; 1,000 for more.
    pub tag_count: u64,
    /// How many accounts gave it a star.
    pub star_count: u64,
    /// How often it was pulled, as its hold counts.
    pub pull_count: u64,
    /// When the newest tag was written.
    pub pushed_at: Datetime,
}

/// Output of `searchRepositories` and of `listRepositories`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoriesPage {
    /// Where the next page begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// In their order.
    pub repositories: Vec<RepositoryView>,
}
