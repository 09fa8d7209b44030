//! Records about images: manifests and pages of repositories, layers, statistics, and posts about pushes.

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{BlobInfo, LayerInfo, Picture};
use crate::syntax::{AtUri, Datetime, Did, Digest, HoldId, ImageName};

/// `io.atcr.manifest/<digest>`: an image's manifest, in its owner's repository. Fields are loosely typed, as anybody
/// may write anything there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The image's name.
    pub repository: String,
    /// The manifest's digest.
    pub digest: String,
    /// Its media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// DID of the hold with the blobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_did: Option<String>,
    /// URL of that hold, in older records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_endpoint: Option<String>,
    /// The image's configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<BlobInfo>,
    /// The image's layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<LayerInfo>>,
    /// All other fields.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl Manifest {
    /// Returns the hold with the blobs, if its DID or URL is valid.
    #[must_use]
    pub fn hold(&self) -> Option<HoldId> {
        HoldId::of_record(self.hold_did.as_deref(), self.hold_endpoint.as_deref())
    }

    /// Returns the size of configuration and layers together, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let config = self.config.as_ref().and_then(|config| config.size);
        let layers = self.layers.iter().flatten().filter_map(|layer| layer.size);
        let sizes = config.into_iter().chain(layers).filter_map(|size| u64::try_from(size).ok());
        sizes.fold(0, u64::saturating_add)
    }

    /// Returns the digests of the manifests an index lists.
    pub fn children(&self) -> impl Iterator<Item = Digest> {
        let all = self.other.get("manifests").and_then(serde_json::Value::as_array).into_iter().flatten();
        all.filter_map(|child| Digest::parse(child.get("digest")?.as_str()?).ok())
    }

    /// Returns whether the manifest refers to another manifest as its subject.
    #[must_use]
    pub fn has_subject(&self) -> bool {
        self.other.get("subject").is_some_and(|subject| !subject.is_null())
    }

    /// Returns the image's description from its annotations.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.other.get("annotations")?.get("org.opencontainers.image.description")?.as_str()
    }
}

/// `io.atcr.hold.layer/<tid>`: a layer of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// The digest of the blob.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its media type, as in the manifest.
    pub media_type: String,
    /// The URI of the manifest, in its owner's repository.
    pub manifest: AtUri,
    /// The account that pushed it.
    pub user_did: Did,
    /// Time of the manifest's push.
    pub created_at: Datetime,
}

/// `io.atcr.hold.stats/<hash of owner and name>`: the numbers of an image's pushes and pulls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// The owner of the image.
    pub owner_did: Did,
    /// The image's name.
    pub repository: ImageName,
    /// Number of pulls.
    pub pull_count: u64,
    /// Number of pushes.
    pub push_count: u64,
    /// Time of the last pull.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_pull: Option<Datetime>,
    /// Time of the last push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_push: Option<Datetime>,
    /// Time of the record's last update.
    pub updated_at: Datetime,
}

impl Stats {
    /// Returns the record key of an image's statistics: one image has one record.
    #[must_use]
    pub fn key_of(owner: &Did, repository: &ImageName) -> String {
        let hash = Sha256::digest(format!("{owner}/{repository}"));
        BASE32_NOPAD.encode(&hash[..16]).to_ascii_lowercase()
    }
}

/// `io.atcr.repo.page/<repository>`: the page of a repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepoPage {
    /// The image's name.
    pub repository: String,
    /// The description, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<Picture>,
    /// Time when the record was created.
    pub created_at: Datetime,
    /// Time of the record's last update.
    pub updated_at: Datetime,
    /// All other fields.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl RepoPage {
    /// Limit of the description in bytes.
    pub const MAX_DESCRIPTION_BYTES: usize = 100_000;
    /// Limit of the picture in bytes.
    pub const MAX_PICTURE_BYTES: usize = 3_000_000;
    /// Permitted media types of the picture.
    pub const PICTURE_TYPES: [&'static str; 3] = ["image/png", "image/jpeg", "image/webp"];
}

/// `app.bsky.feed.post/<tid>`: a post about a push.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Post {
    /// The text: at most 300 graphemes.
    pub text: String,
    /// The facets of the text: mentions and links.
    #[serde(default)]
    pub facets: Vec<Facet>,
    /// The languages of the text.
    #[serde(default)]
    pub langs: Vec<String>,
    /// Time when it was written.
    pub created_at: Datetime,
}

/// A facet: a part of a text with features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facet {
    /// The part of the text.
    pub index: FacetIndex,
    /// The features of that part.
    pub features: Vec<FacetFeature>,
}

/// A part of a text by its byte offsets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FacetIndex {
    /// Offset of the first byte.
    pub byte_start: usize,
    /// Offset after the last byte.
    pub byte_end: usize,
}

/// A feature of a part of a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FacetFeature {
    /// The type of the feature, an NSID with a fragment.
    #[serde(rename = "$type")]
    pub kind: String,
    /// The account of a mention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did: Option<Did>,
}
