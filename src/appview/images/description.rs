//! The description of a manifest in its record, and in the notice to its hold.

use serde_json::{Map, Value, json};

use super::manifest::{Descriptor, MAX_PLATFORM_BYTES, are_small};
use super::{ImagesError, ParsedManifest};
use atproto::lexicon::{BlobInfo, LayerInfo, MAX_LAYERS, ManifestInfo};

/// Maximum size of a record as JSON: 1,000,000 bytes, less 4096 for the fields that the caller of
/// [`ParsedManifest::record`] adds.
const MAX_RECORD_BYTES: usize = 1_000_000 - 4096;
/// The largest integer in a record.
const MAX_SIZE: u64 = (1 << 53) - 1;

impl Descriptor {
    fn record(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.size })
    }

    /// Returns the descriptor for a record, with its platform if it fits the lexicon.
    fn child(&self) -> Value {
        let mut record = self.record();
        let word = |platform: &Map<String, Value>, name: &str| {
            platform
                .get(name)
                .and_then(Value::as_str)
                .filter(|word| word.len() <= MAX_PLATFORM_BYTES)
                .map(str::to_owned)
        };
        if let Some(platform) = &self.platform
            && let (Some(architecture), Some(os)) = (word(platform, "architecture"), word(platform, "os"))
        {
            record["platform"] = json!({ "architecture": architecture, "os": os });
            if let Some(variant) = word(platform, "variant") {
                record["platform"]["variant"] = variant.into();
            }
        }
        record
    }
}

impl ParsedManifest {
    /// Checks that PDSes accept the record, and holds the notice.
    ///
    /// # Errors
    /// [`ImagesError::Invalid`], [`ImagesError::TooLarge`]
    pub(super) fn check_record(&self) -> Result<(), ImagesError> {
        if self.document().descriptors().any(|descriptor| descriptor.size > MAX_SIZE) {
            return Err(ImagesError::Invalid("a size is larger than any number of a record".to_owned()));
        }
        let at_hold = self.layers().into_iter().flatten().filter(|layer| layer.urls.is_empty());
        if at_hold.count() > MAX_LAYERS {
            return Err(ImagesError::Invalid(format!("it has more than {MAX_LAYERS} layers, and holds take no more")));
        }
        let is_too_large = json!(self.record()).to_string().len() > MAX_RECORD_BYTES;
        if is_too_large { Err(ImagesError::TooLarge) } else { Ok(()) }
    }

    /// Returns the fields of the record, without those that only the caller knows.
    pub(super) fn record(&self) -> Map<String, Value> {
        let document = self.document();
        let list =
            |items: Vec<&Descriptor>, form: fn(&Descriptor) -> Value| items.into_iter().map(form).collect::<Value>();
        let fields = [
            ("digest", Some(json!(self.digest))),
            ("mediaType", Some(json!(self.media_type))),
            ("schemaVersion", Some(json!(2))),
            ("config", document.config.as_ref().map(Descriptor::record)),
            ("layers", self.layers().map(|layers| list(layers, Descriptor::record))),
            ("manifests", self.manifests().map(|manifests| list(manifests, Descriptor::child))),
            ("subject", document.subject.as_ref().map(Descriptor::record)),
            ("annotations", document.annotations.as_ref().filter(|all| are_small(all)).map(|all| json!(all))),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    /// Returns the manifest for a notice to the hold.
    pub(super) fn info(&self) -> ManifestInfo {
        let size = |descriptor: &Descriptor| i64::try_from(descriptor.size).ok();
        let config = |config: &Descriptor| BlobInfo {
            digest: Some(config.digest.to_string()),
            size: size(config),
            media_type: None,
        };
        let layer = |layer: &Descriptor| LayerInfo {
            digest: Some(layer.digest.to_string()),
            size: size(layer),
            media_type: Some(layer.media_type.clone()),
        };
        // Layers with URLs are not at the hold.
        let are_there =
            |layers: Vec<&Descriptor>| layers.into_iter().filter(|layer| layer.urls.is_empty()).map(layer).collect();
        let layers = self.layers().map(are_there);
        ManifestInfo {
            media_type: Some(self.media_type.clone()),
            config: self.document().config.as_ref().map(config),
            layers,
        }
    }
}
