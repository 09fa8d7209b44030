//! Descriptors as others get them: of the content of a manifest, and of a referrer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use atproto::syntax::Digest;

/// A descriptor in a manifest: a blob or another manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedContent {
    /// Media type.
    pub media_type: String,
    /// Digest.
    pub digest: Digest,
    /// Size.
    pub size_bytes: u64,
    /// Platform in an index, like `linux/arm64/v8`.
    pub platform: Option<String>,
    /// Annotations of the descriptor.
    pub annotations: Vec<(String, String)>,
}

/// The descriptor of a referrer in an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer {
    /// Media type.
    pub media_type: String,
    /// Digest.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
    /// Artifact type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Annotations, if they have at most 16 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Map<String, Value>>,
}

impl Referrer {
    /// Returns the annotations whose values are strings.
    #[must_use]
    pub fn annotation_texts(&self) -> Vec<(String, String)> {
        texts(self.annotations.as_ref())
    }
}

/// Returns the annotations whose values are strings.
pub(super) fn texts(annotations: Option<&Map<String, Value>>) -> Vec<(String, String)> {
    let all = annotations.into_iter().flatten();
    all.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}
