//! Inputs and outputs of the methods of `io.atcr.hold.*` by which the registry keeps its books.
//! <https://lexicon.garden/identity/did:plc:wfj5kyialpmcv2fzk6uqwsln>

use serde::{Deserialize, Serialize};

use crate::syntax::{AtUri, Datetime, Did};

/// Input of `notifyManifest`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// `push` or `pull`; absent is `push`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

/// What a manifest has. The manifests of a list are not looked at: each is pushed before the list, and said to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestInfo {
    /// Its media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The image's configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<BlobInfo>,
    /// The image's layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<LayerInfo>>,
}

/// A blob of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlobInfo {
    /// Its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
}

/// A layer of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerInfo {
    /// Its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// Its media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

/// Output of `notifyManifest`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotifyManifestOutput {
    /// `true`: failures are answered as errors.
    pub success: bool,
    /// What was counted.
    pub operation: ImageOperation,
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

/// What was done with a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageOperation {
    /// It was uploaded.
    Push,
    /// It was downloaded.
    Pull,
}

/// Output of `getQuota`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// The account.
    pub user_did: Did,
    /// Its distinct layers.
    pub unique_blobs: u64,
    /// All that counts in its quota, in bytes: layers, configs, blobs without a manifest, and what open uploads staged.
    pub total_size: u64,
    /// What it may have, in bytes; absent without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The tier that the limit comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
}

/// Output of `listTiers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tiers {
    /// From the smallest to the largest: the place in this list is the tier's rank.
    pub tiers: Vec<TierInfo>,
}

/// A tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetStats {
    /// Whose image it is; checked by the handler, which answers InvalidOwner.
    pub owner_did: String,
    /// The image's name; checked by the handler, which answers InvalidRepository.
    pub repository: String,
    /// Manifests downloaded; absent stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_count: Option<u64>,
    /// Manifests uploaded; absent stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_count: Option<u64>,
    /// The newest download; absent stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_pull: Option<Datetime>,
    /// The newest upload; absent stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_push: Option<Datetime>,
}

/// Output of `setStats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Success {
    /// `true`: failures are answered as errors.
    pub success: bool,
}

/// Input of `updateCrewTier`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateCrewTier {
    /// The member.
    pub user_did: Did,
    /// The place in the list of tiers, from 0.
    pub tier_rank: u64,
}

/// Output of `updateCrewTier`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TierName {
    /// The tier that the member has now.
    pub tier_name: String,
}

/// Output of `exportUserData`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserData {
    /// What stands before the lists.
    #[serde(flatten)]
    pub head: UserDataHead,
    /// The layers that it pushed.
    pub layer_records: Vec<LayerExport>,
    /// The statistics of its images.
    pub stats_records: Vec<StatsExport>,
    /// The posts about its pushes.
    pub bluesky_posts: Vec<PostExport>,
}

/// What stands before the lists in the output of `exportUserData`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserDataHead {
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
}

/// A membership.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrewExport {
    /// A word for people.
    pub role: String,
    /// What it may do.
    pub permissions: Vec<String>,
    /// When it became a member.
    pub added_at: String,
    /// Quota tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerExport {
    /// The blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// Its media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The manifest that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// When it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// Statistics of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatsExport {
    /// The image's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Manifests downloaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_count: Option<i64>,
    /// Manifests uploaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_count: Option<i64>,
    /// The newest download.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_pull: Option<String>,
    /// The newest upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_push: Option<String>,
    /// When the record was last written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
}

/// A post.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostExport {
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<AtUri>,
    /// What people read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// Output of `deleteUserData`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
