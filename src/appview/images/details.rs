//! Details of an image for people: its manifest, and its configuration with the build history.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use http_body_util::BodyExt as _;
use serde::{Deserialize, Deserializer};
use tokio::time::timeout;

use super::descriptors::texts;
use super::manifest::Descriptor;
use super::{Images, ImagesError, NamedContent, ParsedManifest};
use crate::catalog::Content;
use crate::gate::PullPermit;
use crate::holds::{HoldsError, Verb};
use crate::repos::{MAX_MEDIA_TYPE_BYTES, digest_of};
use atproto::syntax::Digest;
use server::egress::EgressError;
use server::identity::Account;

/// Maximum size of a configuration: usual ones have some kilobytes, one with the longest history some hundred.
const MAX_CONFIG_BYTES: usize = 1024 * 1024;
const CONFIG_TIME: Duration = Duration::from_secs(4);
/// Maximum number of build steps that are kept.
const MAX_STEPS: usize = 500;

/// The content of a manifest.
#[derive(Clone, Debug, Default)]
pub struct ManifestDetails {
    /// Configuration of an image.
    pub config: Option<NamedContent>,
    /// Layers of an image, and blobs that an index lists beside manifests.
    pub layers: Vec<NamedContent>,
    /// Manifests of an index.
    pub manifests: Vec<NamedContent>,
    /// Digest of the subject.
    pub subject: Option<Digest>,
    /// Artifact type, if it is no image.
    pub artifact_type: Option<String>,
    /// Annotations of the manifest.
    pub annotations: Vec<(String, String)>,
}

/// One step of the build of an image.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct BuildStep {
    /// Command of the step.
    #[serde(default, deserialize_with = "null_as_default")]
    pub created_by: String,
    /// Whether the step made no layer.
    #[serde(default, deserialize_with = "null_as_default")]
    pub empty_layer: bool,
}

/// The configuration of an image.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ImageConfig {
    /// CPU architecture.
    #[serde(default, deserialize_with = "null_as_default")]
    pub architecture: String,
    /// Operating system.
    #[serde(default, deserialize_with = "null_as_default")]
    pub os: String,
    /// Variant of the architecture.
    #[serde(default, deserialize_with = "null_as_default")]
    pub variant: String,
    /// Time of the build, as written there.
    #[serde(default)]
    pub created: Option<String>,
    /// Build steps, the oldest first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub history: Vec<BuildStep>,
}

/// Reads `null` as a field that is missing: Go programs write it for an empty list.
fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(field: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(field)?.unwrap_or_default())
}

impl ImageConfig {
    /// Returns the number of bytes of its texts.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        let texts = [&self.architecture, &self.os, &self.variant].into_iter().chain(&self.created);
        let commands = self.history.iter().map(|step| &step.created_by);
        texts.chain(commands).map(String::len).sum()
    }
}

impl ManifestDetails {
    /// Returns the kind of the content.
    #[must_use]
    pub fn content(&self) -> Content {
        let config = self.config.as_ref().map(|config| config.media_type.as_str());
        Content::of(config, self.layers.iter().map(|layer| layer.media_type.as_str()))
    }
}

impl ParsedManifest {
    /// Returns the content of the manifest for people.
    #[must_use]
    pub fn details(&self) -> ManifestDetails {
        let document = self.document();
        let named = |all: Option<Vec<&Descriptor>>| all.into_iter().flatten().map(Descriptor::named).collect();
        ManifestDetails {
            config: document.config.as_ref().map(Descriptor::named),
            layers: named(self.layers()),
            manifests: named(self.manifests()),
            subject: self.subject,
            artifact_type: document.artifact_type.clone().filter(|kind| !kind.is_empty()),
            annotations: texts(document.annotations.as_ref()),
        }
    }

    /// Returns the artifact type, else the media type of the configuration; `None` for one that is longer than a media
    /// type may be, as it is stored, cached and sent to others.
    pub(super) fn artifact_type(&self) -> Option<String> {
        let document = self.document();
        let kind = document.artifact_type.clone().filter(|kind| !kind.is_empty());
        let kind = kind.or_else(|| document.config.as_ref().map(|config| config.named().media_type));
        kind.filter(|kind| kind.len() <= MAX_MEDIA_TYPE_BYTES)
    }
}

impl Images {
    /// Returns the configuration of an image, read from its hold with the permit; `None` when it is missing, or no
    /// configuration of an image.
    ///
    /// # Errors
    /// [`ImagesError::Hold`], also for a hold that is slow or sends more bytes than a configuration may have.
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
        let late = |_| HoldsError::unsent(EgressError::TimedOut(CONFIG_TIME));
        let bytes = timeout(CONFIG_TIME, self.read(&url)).await.map_err(late)??;
        if digest_of(&bytes) != config.digest {
            return Ok(None);
        }
        let config: Option<ImageConfig> = server::json::parse(&bytes).ok();
        Ok(config.map(|config| ImageConfig { history: config.history.into_iter().take(MAX_STEPS).collect(), ..config }))
    }

    async fn read(&self, url: &str) -> Result<Bytes, HoldsError> {
        let mut body = self.holds.open(Method::GET, url, None).await.map_err(HoldsError::Unsent)?.into_body();
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| HoldsError::unsent(EgressError::Broken(error.to_string())))?;
            let Ok(piece) = frame.into_data() else { continue };
            if bytes.len() + piece.len() > MAX_CONFIG_BYTES {
                return Err(HoldsError::unsent(EgressError::TooLarge(MAX_CONFIG_BYTES)));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_artifact_type_that_is_longer_than_any_is_none() {
        let digest = Digest::from_bytes([7; 32]);
        let kind = |artifact_type: &str, config: &str| {
            let config = json!({ "mediaType": config, "digest": digest, "size": 2 });
            let manifest = json!({ "schemaVersion": 2, "artifactType": artifact_type, "config": config, "layers": [] });
            ParsedManifest::stored(manifest.to_string().into()).unwrap().artifact_type()
        };
        let (longest, longer) = ("a".repeat(255), "a".repeat(256));
        assert_eq!(kind("application/spdx+json", "b").as_deref(), Some("application/spdx+json"));
        assert_eq!((kind(&longest, "b").as_ref(), kind("", &longest).as_ref()), (Some(&longest), Some(&longest)));
        assert_eq!((kind(&longer, "b"), kind("", &longer)), (None, None));
    }

    #[test]
    fn what_a_configuration_has_as_null_is_missing() {
        let config = json!({ "architecture": "amd64", "os": null, "variant": null, "created": null, "history": null });
        let config: ImageConfig = serde_json::from_value(config).unwrap();
        assert_eq!((config.architecture.as_str(), config.os.as_str(), config.history.len()), ("amd64", "", 0));
        let history =
            json!([{ "created_by": null, "empty_layer": true }, { "created_by": "RUN x", "empty_layer": null }]);
        let config: ImageConfig = serde_json::from_value(json!({ "os": "linux", "history": history })).unwrap();
        let steps: Vec<_> = config.history.iter().map(|step| (step.created_by.as_str(), step.empty_layer)).collect();
        assert_eq!(steps, [("", true), ("RUN x", false)]);
        assert!(serde_json::from_value::<ImageConfig>(json!({ "history": {} })).is_err(), "another form");
    }
}
