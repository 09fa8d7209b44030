//! The manifest that a client sends: parsed for what the registry needs, kept byte for byte.
//! <https://github.com/opencontainers/image-spec/blob/main/manifest.md>, <https://github.com/opencontainers/image-spec/blob/main/image-index.md>

use std::collections::HashSet;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::descriptors::texts;
use super::{ImagesError, NamedContent, Referrer};
use crate::repos::digest_of;
use atproto::syntax::Digest;

const IMAGES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
/// Maximum size of the annotations in a record; the bytes of the manifest have all.
const MAX_ANNOTATION_BYTES: usize = 16 * 1024;
/// Maximum length of a platform's fields in the lexicon.
pub(super) const MAX_PLATFORM_BYTES: usize = 32;
/// Maximum number of an index's platforms in an event.
const MAX_PLATFORMS: usize = 64;
const UNKNOWN_PLATFORM: &str = "unknown/unknown";

/// A valid manifest.
#[derive(Clone, Debug)]
pub struct ParsedManifest {
    /// The bytes as sent.
    pub bytes: Bytes,
    /// Digest of the bytes.
    pub digest: Digest,
    /// Media type.
    pub media_type: String,
    /// Digest of the subject.
    pub subject: Option<Digest>,
    document: Document,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    schema_version: u8,
    media_type: Option<String>,
    pub(super) config: Option<Descriptor>,
    pub(super) layers: Option<Vec<Descriptor>>,
    pub(super) manifests: Option<Vec<Descriptor>>,
    pub(super) subject: Option<Descriptor>,
    pub(super) artifact_type: Option<String>,
    pub(super) annotations: Option<Map<String, Value>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
    #[serde(default)]
    pub(super) urls: Vec<String>,
    pub(super) platform: Option<Map<String, Value>>,
    annotations: Option<Map<String, Value>>,
}

impl Document {
    pub(super) fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        let lists = self.layers.iter().chain(&self.manifests).flatten();
        self.config.iter().chain(&self.subject).chain(lists)
    }
}

impl Descriptor {
    /// Whether it is that of an image or an index. An index may list other blobs, too: a build cache lists its layers.
    fn is_manifest(&self) -> bool {
        IMAGES.contains(&self.media_type.as_str()) || INDEXES.contains(&self.media_type.as_str())
    }

    /// Returns the descriptor for people.
    pub(super) fn named(&self) -> NamedContent {
        let word = |name: &str| self.platform.as_ref()?.get(name)?.as_str().filter(|word| !word.is_empty());
        let words: Vec<_> = ["os", "architecture", "variant"].into_iter().filter_map(word).collect();
        NamedContent {
            media_type: self.media_type.clone(),
            digest: self.digest,
            size_bytes: self.size,
            platform: (!words.is_empty()).then(|| words.join("/")),
            annotations: texts(self.annotations.as_ref()),
        }
    }
}

impl ParsedManifest {
    /// Parses a manifest that came with this `Content-Type`.
    ///
    /// # Errors
    /// [`ImagesError::Invalid`]
    pub fn parse(bytes: Bytes, content_type: Option<&str>) -> Result<Self, ImagesError> {
        let document = server::json::parse(&bytes).map_err(|error| ImagesError::Invalid(error.to_string()))?;
        Self::of(document, bytes, content_type)
    }

    /// Checks a manifest. A list that is missing, or `null` as Go programs write an empty one, is empty.
    fn of(mut document: Document, bytes: Bytes, content_type: Option<&str>) -> Result<Self, ImagesError> {
        let invalid = |reason: &str| ImagesError::Invalid(reason.to_owned());
        if document.schema_version != 2 {
            return Err(invalid("its schemaVersion must be 2"));
        }
        let typed = content_type.map(|text| text.split(';').next().unwrap_or_default().trim().to_owned());
        let media_type = match (typed, &document.media_type) {
            (Some(typed), Some(own)) if typed != *own => return Err(invalid("its mediaType is not its Content-Type")),
            (Some(typed), _) => typed,
            (None, Some(own)) => own.clone(),
            (None, None) => return Err(invalid("it has no media type")),
        };
        let is_image = IMAGES.contains(&media_type.as_str());
        if !is_image && !INDEXES.contains(&media_type.as_str()) {
            return Err(invalid("its media type is none of an OCI or docker image or index"));
        }
        let list = if is_image { &mut document.layers } else { &mut document.manifests };
        list.get_or_insert_default();
        if is_image && (document.config.is_none() || document.manifests.is_some()) {
            return Err(invalid("an image has a config and layers, and no manifests"));
        }
        if !is_image && (document.config.is_some() || document.layers.is_some()) {
            return Err(invalid("an index has manifests, and neither config nor layers"));
        }
        let subject = document.subject.as_ref().map(|subject| subject.digest);
        Ok(Self { digest: digest_of(&bytes), bytes, media_type, subject, document })
    }

    /// Parses a stored manifest. A media type that is not in it is derived from its fields.
    ///
    /// # Errors
    /// [`ImagesError::Invalid`]
    pub fn stored(bytes: Bytes) -> Result<Self, ImagesError> {
        let parsed = server::json::parse(&bytes).map_err(|error| ImagesError::Invalid(error.to_string()));
        let mut document: Document = parsed?;
        let guessed = if document.manifests.is_some() { INDEXES[0] } else { IMAGES[0] };
        document.media_type.get_or_insert_with(|| guessed.to_owned());
        Self::of(document, bytes, None)
    }

    /// Returns the parsed JSON.
    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    /// Returns the layers of an image; of an index the blobs that it lists beside manifests, if there are some.
    pub(super) fn layers(&self) -> Option<Vec<&Descriptor>> {
        let listed = self.document.manifests.iter().flatten().filter(|listed| !listed.is_manifest());
        match &self.document.layers {
            Some(layers) => Some(layers.iter().collect()),
            None => Some(listed.collect::<Vec<_>>()).filter(|listed| !listed.is_empty()),
        }
    }

    /// Returns the manifests of an index.
    pub(super) fn manifests(&self) -> Option<Vec<&Descriptor>> {
        let listed = self.document.manifests.as_ref()?;
        Some(listed.iter().filter(|listed| listed.is_manifest()).collect())
    }

    /// Returns the blobs that must be at the hold, each once: configuration and layers, without those that have URLs.
    pub fn blobs(&self) -> impl Iterator<Item = Digest> {
        let layers = self.layers().into_iter().flatten();
        once_each(self.document.config.iter().chain(layers).filter(|blob| blob.urls.is_empty()))
    }

    /// Returns the manifests of an index, each once.
    pub fn children(&self) -> impl Iterator<Item = Digest> {
        once_each(self.manifests().into_iter().flatten())
    }

    /// Returns the descriptor for lists of referrers.
    pub(super) fn referrer(&self) -> Referrer {
        Referrer {
            media_type: self.media_type.clone(),
            digest: self.digest,
            size: self.bytes.len() as u64,
            artifact_type: self.artifact_type(),
            annotations: self.document.annotations.clone().filter(are_small),
        }
    }

    /// Returns the platforms of an index, each once.
    pub(super) fn platforms(&self) -> Vec<String> {
        let mut platforms: Vec<String> = Vec::new();
        for platform in self.document.manifests.iter().flatten().filter_map(|child| child.named().platform) {
            // `unknown/unknown` is the platform of the builders' attestations.
            let is_one = platform != UNKNOWN_PLATFORM && platform.len() <= 3 * MAX_PLATFORM_BYTES;
            if is_one && platforms.len() < MAX_PLATFORMS && !platforms.contains(&platform) {
                platforms.push(platform);
            }
        }
        platforms
    }
}

/// Returns the media type of a manifest: `recorded`, that of the record, else that in its own bytes, else that of an OCI
/// image.
pub(super) fn media_type_of(recorded: Option<String>, bytes: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: String,
    }
    let is_known = |text: &String| IMAGES.contains(&text.as_str()) || INDEXES.contains(&text.as_str());
    let own = || serde_json::from_slice(bytes).ok().map(|Typed { media_type }| media_type).filter(is_known);
    recorded.filter(is_known).or_else(own).unwrap_or_else(|| IMAGES[0].to_owned())
}

/// Returns the digests of descriptors in their order, each once.
fn once_each<'d>(named: impl Iterator<Item = &'d Descriptor>) -> impl Iterator<Item = Digest> {
    let mut seen = HashSet::new();
    named.map(|descriptor| descriptor.digest).filter(move |digest| seen.insert(*digest))
}

/// Whether annotations go into the record, and into lists: all values are strings, and together at most 16 KiB.
pub(super) fn are_small(all: &Map<String, Value>) -> bool {
    let bytes = all.iter().map(|(name, value)| Some(name.len() + value.as_str()?.len()));
    bytes.sum::<Option<usize>>().is_some_and(|bytes| bytes <= MAX_ANNOTATION_BYTES)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(document: &Value, media_type: Option<&str>) -> Result<ParsedManifest, String> {
        ParsedManifest::parse(document.to_string().into(), media_type).map_err(|error| error.to_string())
    }

    fn blob(byte: u8) -> Value {
        json!({ "mediaType": "application/x", "digest": Digest::from_bytes([byte; 32]), "size": 5 })
    }

    #[test]
    fn an_image_names_its_blobs_but_those_elsewhere() {
        let mut foreign = blob(3);
        foreign["urls"] = json!(["https://a.example/x"]);
        let image = json!({ "schemaVersion": 2, "config": blob(1), "layers": [blob(2), foreign], "subject": blob(4) });
        let parsed = parse(&image, Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8")).unwrap();
        let digests = [1, 2].map(|byte| Digest::from_bytes([byte; 32]));
        assert_eq!(parsed.blobs().collect::<Vec<_>>(), digests);
        assert_eq!((parsed.subject, parsed.children().count()), (Some(Digest::from_bytes([4; 32])), 0));
        assert_eq!(parsed.record()["layers"].as_array().unwrap().len(), 2);
        assert_eq!(parsed.info().layers.unwrap().len(), 1);
    }

    #[test]
    fn lists_that_are_null_are_empty() {
        let image = json!({ "schemaVersion": 2, "config": blob(1), "layers": null, "manifests": null,
                            "subject": null, "annotations": null });
        let index = json!({ "schemaVersion": 2, "mediaType": INDEXES[0], "manifests": null, "layers": null });
        for (document, media_type) in [(image, IMAGES[0]), (index, INDEXES[0])] {
            let pushed = parse(&document, Some(media_type)).unwrap();
            assert_eq!((pushed.blobs().count(), pushed.children().count()), (usize::from(media_type == IMAGES[0]), 0));
            let stored = ParsedManifest::stored(document.to_string().into()).unwrap();
            assert_eq!(stored.media_type, media_type);
            let details = stored.details();
            assert_eq!((details.layers.len(), details.manifests.len(), details.annotations.len()), (0, 0, 0));
        }
        assert!(ParsedManifest::stored("{\"schemaVersion\":2,\"layers\":null}".into()).is_err(), "no configuration");
    }

    #[test]
    fn a_type_that_is_no_manifests_is_not_passed_on() {
        let of = |said: Option<&str>, bytes: &str| media_type_of(said.map(str::to_owned), bytes.as_bytes());
        let index = format!("{{\"mediaType\":\"{}\"}}", INDEXES[0]);
        assert_eq!(of(Some(IMAGES[1]), &index), IMAGES[1]);
        for said in [None, Some("text/html"), Some("")] {
            assert_eq!(of(said, &index), INDEXES[0]);
            assert_eq!(of(said, "{\"mediaType\":\"text/html\"}"), IMAGES[0]);
            assert_eq!(of(said, "<html>"), IMAGES[0]);
        }
    }

    #[test]
    fn an_index_names_its_children() {
        let manifest = |byte| {
            let mut child = blob(byte);
            child["mediaType"] = json!(IMAGES[0]);
            child
        };
        let mut child = manifest(1);
        child["platform"] = json!({ "architecture": "amd64", "os": "linux", "os.version": "1" });
        let mut odd = manifest(2);
        odd["platform"] = json!({ "architecture": "x".repeat(33), "os": "linux" });
        let index = json!({ "schemaVersion": 2, "mediaType": INDEXES[0], "manifests": [child, odd] });
        let parsed = parse(&index, None).unwrap();
        assert_eq!((parsed.children().count(), parsed.blobs().count()), (2, 0));
        let manifests = &parsed.record()["manifests"];
        assert_eq!(manifests[0]["platform"], json!({ "architecture": "amd64", "os": "linux" }));
        assert!(manifests[1]["platform"].is_null());
        let platform = |words: [&str; 3]| {
            json!({ "mediaType": "application/x", "digest": Digest::from_bytes([1; 32]), "size": 5,
                    "platform": { "os": words[0], "architecture": words[1], "variant": words[2] } })
        };
        let kinds =
            [["linux", "arm", "v7"], ["linux", "amd64", ""], ["linux", "amd64", ""], ["unknown", "unknown", ""]];
        let long = "x".repeat(91);
        let mut all: Vec<_> = kinds.into_iter().map(platform).collect();
        all.push(platform(["linux", &long, ""]));
        let index = json!({ "schemaVersion": 2, "mediaType": INDEXES[0], "manifests": all });
        assert_eq!(parse(&index, None).unwrap().platforms(), ["linux/arm/v7", "linux/amd64"]);
    }

    #[test]
    fn what_an_index_lists_beside_manifests_is_at_the_hold() {
        let mut image = blob(1);
        image["mediaType"] = json!(IMAGES[1]);
        let mut foreign = blob(4);
        foreign["urls"] = json!(["https://a.example/x"]);
        let cache =
            json!({ "schemaVersion": 2, "mediaType": INDEXES[0], "manifests": [blob(2), image, blob(3), foreign] });
        let parsed = parse(&cache, None).unwrap();
        let digests = [1, 2, 3].map(|byte| Digest::from_bytes([byte; 32]));
        assert_eq!(parsed.blobs().collect::<Vec<_>>(), digests[1..]);
        assert_eq!(parsed.children().collect::<Vec<_>>(), digests[..1]);
        let record = parsed.record();
        let length = |name: &str| record[name].as_array().unwrap().len();
        assert_eq!((length("layers"), length("manifests"), parsed.info().layers.unwrap().len()), (3, 1, 2));
        let empty = parse(&json!({ "schemaVersion": 2, "mediaType": INDEXES[0], "manifests": [] }), None).unwrap();
        assert!(!empty.record().contains_key("layers") && empty.info().layers.is_none());
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let image = json!({ "schemaVersion": 2, "config": blob(1), "layers": [] });
        let with = |name: &str, value: Value| {
            let mut changed = image.clone();
            changed[name] = value;
            changed
        };
        let oci = Some(IMAGES[0]);
        for (document, media_type) in [
            (json!([]), oci),
            (json!({}), oci),
            (with("schemaVersion", json!(1)), oci),
            (with("mediaType", json!(IMAGES[1])), oci),
            (with("manifests", json!([])), oci),
            (with("config", Value::Null), oci),
            (with("config", json!({ "digest": "sha256:x" })), oci),
            (image.clone(), None),
            (image.clone(), Some("application/json")),
            (image.clone(), Some(INDEXES[0])),
        ] {
            assert!(parse(&document, media_type).is_err(), "{document} {media_type:?}");
        }
        let twice = format!("{{\"schemaVersion\":2,\"config\":{0},\"config\":{0},\"layers\":[]}}", blob(1));
        assert!(ParsedManifest::parse(twice.into(), oci).is_err(), "a name that stands twice");
        let many = json!({ "a": "x".repeat(MAX_ANNOTATION_BYTES) });
        assert!(!parse(&with("annotations", many), oci).unwrap().record().contains_key("annotations"));
    }
}
