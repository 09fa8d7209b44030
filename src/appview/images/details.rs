//! An image as people look at it: what its manifest says, and what its configuration tells of how it was made.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{Images, ImagesError, ParsedManifest};
use crate::gate::PullPermit;
use crate::holds::{HoldsError, Verb};
use crate::repos::digest_of;
use atproto::syntax::Digest;
use server::identity::Account;

/// Configurations have some kilobytes; one with the longest history that people make, some hundred.
const MAX_CONFIG_BYTES: usize = 1024 * 1024;
const CONFIG_TIME: Duration = Duration::from_secs(4);
/// What of a configuration is remembered and shown.
const MAX_STEPS: usize = 500;

/// What a manifest names: a blob or another manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedContent {
    /// What it is.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length.
    pub size_bytes: u64,
    /// What it runs on, as an index says: `linux/arm64/v8`.
    pub platform: Option<String>,
    /// What the index says of it.
    pub annotations: Vec<(String, String)>,
}

/// What a manifest says.
#[derive(Clone, Debug, Default)]
pub struct ManifestDetails {
    /// The configuration of an image.
    pub config: Option<NamedContent>,
    /// Its layers.
    pub layers: Vec<NamedContent>,
    /// The manifests of an index.
    pub manifests: Vec<NamedContent>,
    /// The manifest that it says something of.
    pub subject: Option<Digest>,
    /// What kind of a thing it is, where it is no image.
    pub artifact_type: Option<String>,
    /// What it says of itself.
    pub annotations: Vec<(String, String)>,
}

/// One step of how an image was made.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct BuildStep {
    /// The command.
    #[serde(default)]
    pub created_by: String,
    /// Whether it made no layer.
    #[serde(default)]
    pub empty_layer: bool,
}

/// What the configuration of an image tells.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ImageConfig {
    /// The processor.
    #[serde(default)]
    pub architecture: String,
    /// The system.
    #[serde(default)]
    pub os: String,
    /// The processor's variant.
    #[serde(default)]
    pub variant: String,
    /// When it was made, as it says.
    #[serde(default)]
    pub created: Option<String>,
    /// How it was made, oldest first.
    #[serde(default)]
    pub history: Vec<BuildStep>,
}

impl ParsedManifest {
    /// What it says, for people.
    #[must_use]
    pub fn details(&self) -> ManifestDetails {
        let document = self.document();
        let named = |all: Option<&Vec<super::manifest::Descriptor>>| {
            all.into_iter().flatten().map(super::manifest::Descriptor::named).collect()
        };
        ManifestDetails {
            config: document.config.as_ref().map(super::manifest::Descriptor::named),
            layers: named(document.layers.as_ref()),
            manifests: named(document.manifests.as_ref()),
            subject: self.subject,
            artifact_type: document.artifact_type.clone().filter(|kind| !kind.is_empty()),
            annotations: texts(document.annotations.as_ref()),
        }
    }
}

/// Annotations that are texts.
pub(super) fn texts(annotations: Option<&Map<String, Value>>) -> Vec<(String, String)> {
    let all = annotations.into_iter().flatten();
    all.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

impl Images {
    /// The configuration of an image, from its hold, as the permit's holder may read it; `None` when it is not there, or
    /// is no configuration of an image.
    ///
    /// # Errors
    /// [`ImagesError::Hold`] also for a hold that is slow or sends something else.
    pub async fn config(
        &self,
        permit: &PullPermit,
        owner: &Account,
        config: &NamedContent,
    ) -> Result<Option<ImageConfig>, ImagesError> {
        if config.size_bytes > MAX_CONFIG_BYTES as u64 {
            return Ok(None);
        }
        let Some(url) = self.locate(permit, owner, &config.digest, Verb::Get).await? else { return Ok(None) };
        let bytes = timeout(CONFIG_TIME, self.read(&url)).await.unwrap_or(Err(HoldsError::NotAHold))?;
        if digest_of(&bytes) != config.digest {
            return Ok(None);
        }
        let config: Option<ImageConfig> = serde_json::from_slice(&bytes).ok();
        Ok(config.map(|config| ImageConfig { history: config.history.into_iter().take(MAX_STEPS).collect(), ..config }))
    }

    async fn read(&self, url: &str) -> Result<Bytes, HoldsError> {
        let mut body = self.holds.open(Method::GET, url, None).await.map_err(|_| HoldsError::NotAHold)?.into_body();
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(|_| HoldsError::NotAHold)?.into_data() else { continue };
            if bytes.len() + piece.len() > MAX_CONFIG_BYTES {
                return Err(HoldsError::NotAHold);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }
}
