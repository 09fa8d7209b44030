//! Records of manifests: their keys, and the fields that are used.

use atproto::lexicon::Manifest;
use atproto::syntax::{Digest, RecordKey, ServiceUrl, SyntaxError};

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
    /// The media type, as the record says.
    pub media_type: Option<String>,
    /// The hold that has the blobs, if the record names one that can be called.
    pub hold: Option<ServiceUrl>,
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
            media_type: record.media_type,
        }
    }
}
