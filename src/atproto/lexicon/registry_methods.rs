//! Inputs and outputs of the methods of `io.atcr.hold.*` by which the registry keeps its books.
//! <https://lexicon.garden/identity/did:plc:wfj5kyialpmcv2fzk6uqwsln>

use serde::{Deserialize, Serialize};

use crate::syntax::{AtUri, Datetime, Did};

/// Input of `notifyManifest`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotifyManifest {
    /// The image's name.
    pub repository: String,
    /// Who owns the image.
    pub user_did: Did,
    /// The manifest's digest.
    pub manifest_digest: String,
    /// What the manifest has.
    pub manifest: ManifestInfo,
    /// Under which tag, if under one.
    pub tag: Option<String>,
    /// `push` or `pull`; absent is `push`.
    pub operation: Option<String>,
}

/// What a manifest has. The manifests of a list are not looked at: each is pushed before the list, and said to be.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestInfo {
    /// Its media type.
    pub media_type: Option<String>,
    /// The image's configuration.
    pub config: Option<BlobInfo>,
    /// The image's layers.
    pub layers: Option<Vec<LayerInfo>>,
}

/// A blob of a manifest.
#[derive(Debug, Deserialize)]
pub struct BlobInfo {
    /// Its digest.
    pub digest: Option<String>,
    /// Its size in bytes.
    pub size: Option<i64>,
}

/// A layer of a manifest.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerInfo {
    /// Its digest.
    pub digest: Option<String>,
    /// Its size in bytes.
    pub size: Option<i64>,
    /// Its media type.
    pub media_type: Option<String>,
}

/// Output of `notifyManifest`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotifyManifestOutput {
    /// `true`: failures are answered as errors.
    pub success: bool,
    /// `push` or `pull`.
    pub operation: &'static str,
    /// Whether it was counted.
    pub stats_updated: bool,
    /// Layer records that were written, of a push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers_created: Option<usize>,
    /// Whether a post was written, of a push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_created: Option<bool>,
    /// The post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_uri: Option<AtUri>,
}

/// Output of `getQuota`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// The account.
    pub user_did: Did,
    /// Its distinct layers.
    pub unique_blobs: u64,
    /// Their sizes together, in bytes.
    pub total_size: u64,
    /// What it may have, in bytes; absent without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The tier that the limit comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
}

/// Output of `listTiers`.
#[derive(Debug, Serialize)]
pub struct Tiers {
    /// From the smallest to the largest: the place in this list is the tier's rank.
    pub tiers: Vec<TierInfo>,
}

/// A tier.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TierInfo {
    /// Its name.
    pub name: String,
    /// What an account may have, in bytes.
    pub quota_bytes: u64,
    /// The same for people.
    pub quota_formatted: String,
    /// Whether a push is scanned for vulnerabilities.
    pub scan_on_push: bool,
}

/// Input of `setStats`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetStats {
    /// Whose image it is; checked by the handler, which answers InvalidOwner.
    pub owner_did: String,
    /// The image's name; checked by the handler, which answers InvalidRepository.
    pub repository: String,
    /// Manifests downloaded; absent stays.
    pub pull_count: Option<u64>,
    /// Manifests uploaded; absent stays.
    pub push_count: Option<u64>,
    /// The newest download; absent stays.
    pub last_pull: Option<Datetime>,
    /// The newest upload; absent stays.
    pub last_push: Option<Datetime>,
}

/// Output of `setStats`.
#[derive(Debug, Serialize)]
pub struct Success {
    /// `true`: failures are answered as errors.
    pub success: bool,
}

/// Input of `updateCrewTier`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateCrewTier {
    /// The member.
    pub user_did: Did,
    /// The place in the list of tiers, from 0.
    pub tier_rank: u64,
}

/// Output of `updateCrewTier`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TierName {
    /// The tier that the member has now.
    pub tier_name: String,
}

/// Output of `exportUserData`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserData {
    /// Now.
    pub exported_at: Datetime,
    /// The hold.
    pub hold_did: Did,
    /// The account.
    pub user_did: Did,
    /// Whether it owns the hold.
    pub is_captain: bool,
    /// Its membership.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crew_record: Option<CrewExport>,
    /// The layers that it pushed.
    pub layer_records: Vec<LayerExport>,
    /// The statistics of its images.
    pub stats_records: Vec<StatsExport>,
    /// The posts about its pushes.
    pub bluesky_posts: Vec<PostExport>,
}

/// A membership.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrewExport {
    role: String,
    permissions: Vec<String>,
    added_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<String>,
}

/// A layer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerExport {
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
}

/// Statistics of an image.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatsExport {
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    push_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_pull: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_push: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
}

/// A post.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostExport {
    /// Its address.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub uri: Option<AtUri>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
}

/// Output of `deleteUserData`.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletedUserData {
    /// `true`: failures are answered as errors.
    pub success: bool,
    /// Whether a crew record was deleted.
    pub crew_deleted: bool,
    /// Layer records that were deleted.
    pub layers_deleted: usize,
    /// Stats records that were deleted.
    pub stats_deleted: usize,
}
