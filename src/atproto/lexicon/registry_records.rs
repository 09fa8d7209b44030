//! Records about images: manifests and pages of repositories, layers, statistics, and posts about pushes.

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{BlobInfo, LayerInfo, Picture};
use crate::syntax::{AtUri, Datetime, Did, Digest, ImageName, ServiceUrl};

/// `io.atcr.manifest/<digest>`: an image's manifest, in its owner's repository. What a reader needs of it is as loosely
/// typed as what anybody may write there.
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
    /// The hold that has the blobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_did: Option<String>,
    /// The same as a URL, in older records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_endpoint: Option<String>,
    /// The image's configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<BlobInfo>,
    /// The image's layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<LayerInfo>>,
    /// Everything else.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl Manifest {
    /// The hold that has its blobs, if that is one that can be asked.
    #[must_use]
    pub fn hold(&self) -> Option<ServiceUrl> {
        let by_did = self.hold_did.as_deref().and_then(|did| ServiceUrl::of_did(&Did::parse(did).ok()?).ok());
        by_did.or_else(|| ServiceUrl::parse(self.hold_endpoint.as_deref()?).ok())
    }

    /// Configuration and layers together, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let config = self.config.as_ref().and_then(|config| config.size);
        let layers = self.layers.iter().flatten().filter_map(|layer| layer.size);
        let sizes = config.into_iter().chain(layers).filter_map(|size| u64::try_from(size).ok());
        sizes.fold(0, u64::saturating_add)
    }

    /// The manifests of an index.
    pub fn children(&self) -> impl Iterator<Item = Digest> {
        let all = self.other.get("manifests").and_then(serde_json::Value::as_array).into_iter().flatten();
        all.filter_map(|child| Digest::parse(child.get("digest")?.as_str()?).ok())
    }

    /// Whether it says something of another manifest.
    #[must_use]
    pub fn has_subject(&self) -> bool {
        self.other.contains_key("subject")
    }

    /// What the image says of itself in its annotations.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.other.get("annotations")?.get("org.opencontainers.image.description")?.as_str()
    }
}

/// `io.atcr.hold.layer/<tid>`: a manifest has a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// The blob.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its media type, as the manifest says it.
    pub media_type: String,
    /// The manifest, in its owner's repository.
    pub manifest: AtUri,
    /// Who pushed it.
    pub user_did: Did,
    /// When the manifest was pushed.
    pub created_at: Datetime,
}

/// `io.atcr.hold.stats/<hash of owner and name>`: how often an image was pushed and pulled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Whose image it is.
    pub owner_did: Did,
    /// Its name.
    pub repository: ImageName,
    /// Manifests downloaded.
    pub pull_count: u64,
    /// Manifests uploaded.
    pub push_count: u64,
    /// The newest download.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_pull: Option<Datetime>,
    /// The newest upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_push: Option<Datetime>,
    /// When the record was last written.
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

/// `io.atcr.repo.page/<repository>`: how the page of a repository shows itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepoPage {
    /// The image's name.
    pub repository: String,
    /// What people read, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<Picture>,
    /// When it was first written.
    pub created_at: Datetime,
    /// When it was last written.
    pub updated_at: Datetime,
    /// Everything else.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl RepoPage {
    /// Bytes of the description.
    pub const MAX_DESCRIPTION_BYTES: usize = 100_000;
    /// Bytes of the picture.
    pub const MAX_PICTURE_BYTES: usize = 3_000_000;
    /// Media types of the picture.
    pub const PICTURE_TYPES: [&'static str; 3] = ["image/png", "image/jpeg", "image/webp"];
}

/// `app.bsky.feed.post/<tid>`: tells people of a push.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Post {
    /// What people read: at most 300 graphemes.
    pub text: String,
    /// What parts of the text mean.
    #[serde(default)]
    pub facets: Vec<Facet>,
    /// Languages of the text.
    #[serde(default)]
    pub langs: Vec<String>,
    /// When it was written.
    pub created_at: Datetime,
}

/// What a part of a text means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facet {
    /// Which part.
    pub index: FacetIndex,
    /// What it means.
    pub features: Vec<FacetFeature>,
}

/// A part of a text by its bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FacetIndex {
    /// The first byte.
    pub byte_start: usize,
    /// The byte after the last.
    pub byte_end: usize,
}

/// A meaning of a part of a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FacetFeature {
    /// Which meaning, as an NSID with a fragment.
    #[serde(rename = "$type")]
    pub kind: String,
    /// The account of a mention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did: Option<Did>,
}
