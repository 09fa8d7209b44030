//! Inputs and outputs of the methods of `io.atcr.hold.*` by which the registry records images, quotas and statistics.
//! <https://lexicon.garden/identity/did:plc:wfj5kyialpmcv2fzk6uqwsln>

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::syntax::{AtUri, Datetime, Did};

/// Input of `notifyManifest`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotifyManifest {
    /// The image's name.
    pub repository: String,
    /// The owner of the image.
    pub user_did: Did,
    /// The manifest's digest.
    pub manifest_digest: String,
    /// The contents of the manifest.
    pub manifest: ManifestInfo,
    /// The tag that was pushed or pulled, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// `push` or `pull`; absent is `push`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

/// The contents of a manifest. The manifests of an index are not listed: each is pushed and reported before the index.
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
    #[serde(default, deserialize_with = "limited_layers", skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<LayerInfo>>,
}

/// Limit of layers of a manifest. Each is a record in its hold, all of them are written in one transaction, and nobody
/// else writes meanwhile: 200 layers take up to 60 ms on a busy disk, so these 0.6 s. Docker mounts images of at most
/// 128 layers, and overlayfs 500.
pub const MAX_LAYERS: usize = 2_000;

fn limited_layers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<LayerInfo>>, D::Error> {
    Ok(Option::<LimitedLayers>::deserialize(deserializer)?.map(|layers| layers.0))
}

struct LimitedLayers(Vec<LayerInfo>);

impl<'de> Deserialize<'de> for LimitedLayers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(LayersVisitor)
    }
}

struct LayersVisitor;

impl<'de> Visitor<'de> for LayersVisitor {
    type Value = LimitedLayers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX_LAYERS} layers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<LimitedLayers, A::Error> {
        let mut layers = Vec::new();
        while let Some(layer) = list.next_element()? {
            if layers.len() == MAX_LAYERS {
                return Err(de::Error::custom(format_args!("a manifest has at most {MAX_LAYERS} layers")));
            }
            layers.push(layer);
        }
        Ok(LimitedLayers(layers))
    }
}

/// A blob of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobInfo {
    /// Its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// Its media type, in records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
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
    /// Always `true`: failures are answered as errors.
    pub success: bool,
    /// The operation that was counted.
    pub operation: ImageOperation,
    /// Whether it was counted.
    pub stats_updated: bool,
    /// Number of layer records written by a push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers_created: Option<usize>,
    /// Whether the push wrote a post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_created: Option<bool>,
    /// The URI of the post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_uri: Option<AtUri>,
}

/// The operation on a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageOperation {
    /// It was pushed.
    Push,
    /// It was pulled.
    Pull,
}

/// Output of `getQuota`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// The account.
    pub user_did: Did,
    /// Number of its distinct layers.
    pub unique_blobs: u64,
    /// Usage that counts against the quota, in bytes: layers, configs, blobs without a manifest, and staged bytes of
    /// open uploads.
    pub total_size: u64,
    /// The quota in bytes; absent without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The tier that the limit comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
}

/// Output of `listTiers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tiers {
    /// The tiers, from the smallest to the largest: the index in this list is the tier's rank.
    pub tiers: Vec<TierInfo>,
}

/// A quota tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TierInfo {
    /// Its name.
    pub name: String,
    /// The quota in bytes.
    pub quota_bytes: u64,
    /// The quota for display.
    pub quota_formatted: String,
    /// Whether a push is scanned for vulnerabilities.
    pub scan_on_push: bool,
}

/// Input of `setStats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetStats {
    /// The owner of the image; checked by the handler, which answers InvalidOwner.
    pub owner_did: String,
    /// The image's name; checked by the handler, which answers InvalidRepository.
    pub repository: String,
    /// Number of pulls; unchanged if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_count: Option<u64>,
    /// Number of pushes; unchanged if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_count: Option<u64>,
    /// Time of the last pull; unchanged if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_pull: Option<Datetime>,
    /// Time of the last push; unchanged if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_push: Option<Datetime>,
}

/// Output of `setStats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Success {
    /// Always `true`: failures are answered as errors.
    pub success: bool,
}

/// Input of `updateCrewTier`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateCrewTier {
    /// The member.
    pub user_did: Did,
    /// The rank of the new tier: its index in the list of tiers, from 0.
    pub tier_rank: u64,
}

/// Output of `updateCrewTier`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TierName {
    /// The member's tier after the change.
    pub tier_name: String,
}

/// Output of `exportUserData`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserData {
    /// The fields before the lists.
    #[serde(flatten)]
    pub head: UserDataHead,
    /// The layers that the account pushed.
    pub layer_records: Vec<LayerExport>,
    /// The statistics of its images.
    pub stats_records: Vec<StatsExport>,
    /// The posts about its pushes.
    pub bluesky_posts: Vec<PostExport>,
}

/// The fields before the lists in the output of `exportUserData`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserDataHead {
    /// Time of the export.
    pub exported_at: Datetime,
    /// DID of the hold.
    pub hold_did: Did,
    /// The account.
    pub user_did: Did,
    /// Whether the account owns the hold.
    pub is_captain: bool,
    /// Its membership, if it is in the crew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crew_record: Option<CrewExport>,
}

/// A membership in the export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrewExport {
    /// The role, for display.
    pub role: String,
    /// The permissions.
    pub permissions: Vec<String>,
    /// Time when it became a member.
    pub added_at: String,
    /// The quota tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
}

/// A layer in the export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerExport {
    /// The digest of the blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// Its media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The URI of the manifest with the layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Time when the record was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// Statistics of an image in the export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatsExport {
    /// The image's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Number of pulls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_count: Option<i64>,
    /// Number of pushes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_count: Option<i64>,
    /// Time of the last pull.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_pull: Option<String>,
    /// Time of the last push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_push: Option<String>,
    /// Time of the record's last update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
}

/// A post in the export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostExport {
    /// The URI of the post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<AtUri>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Time when it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// Output of `deleteUserData`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletedUserData {
    /// Always `true`: failures are answered as errors.
    pub success: bool,
    /// Whether a crew record was deleted.
    pub crew_deleted: bool,
    /// Number of layer records deleted.
    pub layers_deleted: usize,
    /// Number of stats records deleted.
    pub stats_deleted: usize,
}
