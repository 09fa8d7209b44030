//! Records of manifests: their keys, and the fields that are used.

use atproto::lexicon::Manifest;
use atproto::syntax::{Digest, HoldId, RecordKey, SyntaxError};

/// Longest media type: two halves of 127 characters. <https://www.rfc-editor.org/rfc/rfc6838#section-4.2>
pub const MAX_MEDIA_TYPE_BYTES: usize = 255;
/// Manifests of an index that are kept.
const MAX_CHILDREN: usize = 256;

/// Where the record of a manifest is: its digest says it, whatever repository it is in.
#[must_use]
pub fn manifest_key(digest: &Digest) -> RecordKey {
    // Hexadecimal digits are valid in a record key.
    RecordKey::parse(&digest.hex()).unwrap_or_else(|error: SyntaxError| unreachable!("{error}"))
}

/// The used fields of a manifest's record.
#[derive(Clone, Debug)]
pub struct ManifestRecord {
    /// The media type, as the record says, if it is no longer than one may be.
    pub media_type: Option<String>,
    /// The hold that has the blobs, if the record names one that can be called.
    pub hold: Option<HoldId>,
    /// The digests of config and layers.
    pub blobs: Vec<Digest>,
    /// The manifests of an index, the first 256.
    pub children: Vec<Digest>,
    /// Whether it says something of another manifest.
    pub has_subject: bool,
}

impl ManifestRecord {
    pub(super) fn of(record: Manifest) -> Self {
        let config = record.config.iter().filter_map(|config| config.digest.as_deref());
        let layers = record.layers.iter().flatten().filter_map(|layer| layer.digest.as_deref());
        Self {
            hold: record.hold(),
            children: record.children().take(MAX_CHILDREN).collect(),
            has_subject: record.has_subject(),
            blobs: config.chain(layers).filter_map(|digest| Digest::parse(digest).ok()).collect(),
            media_type: record.media_type.filter(|text| text.len() <= MAX_MEDIA_TYPE_BYTES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ManifestRecord;

    #[test]
    fn a_media_type_that_is_longer_than_any_is_none() {
        let said = |media_type: &str| {
            let record = serde_json::json!({ "repository": "app", "digest": "a", "mediaType": media_type });
            ManifestRecord::of(serde_json::from_value(record).unwrap()).media_type
        };
        let longest = "a".repeat(255);
        assert_eq!((said(&longest), said(&"a".repeat(256))), (Some(longest), None));
    }
}
