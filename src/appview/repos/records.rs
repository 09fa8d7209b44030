//! Manifests and tags as records: their keys, and what is read of them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use atproto::lexicon::Manifest;
use atproto::lexicon::nsid;
use atproto::syntax::{Datetime, Did, Digest, ImageName, RecordKey, ServiceUrl, SyntaxError, Tag};

/// Where the record of a manifest is: its digest says it, whatever repository it is in.
#[must_use]
pub fn manifest_key(digest: &Digest) -> RecordKey {
    key(&digest.hex())
}

/// Where the record of a tag is. A slash is no part of a key.
#[must_use]
pub fn tag_key(name: &ImageName, tag: &Tag) -> RecordKey {
    key(&format!("{}_{tag}", name.as_str().replace('/', "~")))
}

/// Where the record of a repository's page is.
#[must_use]
pub fn page_key(name: &ImageName) -> RecordKey {
    key(&name.as_str().replace('/', "~"))
}

/// Names and tags have no other characters than keys, and together at most 384.
fn key(text: &str) -> RecordKey {
    RecordKey::parse(text).unwrap_or_else(|error: SyntaxError| unreachable!("{error}"))
}

/// What is read of the record of a manifest.
#[derive(Clone, Debug)]
pub struct ManifestRecord {
    /// Its media type, as the record says.
    pub media_type: Option<String>,
    /// The hold that has its blobs, if that is one that can be asked.
    pub hold: Option<ServiceUrl>,
    /// Configuration and layers.
    pub blobs: Vec<Digest>,
}

impl ManifestRecord {
    pub(super) fn of(record: Manifest) -> Self {
        let by_did = record.hold_did.as_deref().and_then(|did| ServiceUrl::of_did(&Did::parse(did).ok()?).ok());
        let by_url = || record.hold_endpoint.as_deref().and_then(|url| ServiceUrl::parse(url).ok());
        let config = record.config.iter().filter_map(|config| config.digest.as_deref());
        let layers = record.layers.iter().flatten().filter_map(|layer| layer.digest.as_deref());
        Self {
            hold: by_did.or_else(by_url),
            blobs: config.chain(layers).filter_map(|digest| Digest::parse(digest).ok()).collect(),
            media_type: record.media_type,
        }
    }
}

/// `io.atcr.tag/<repository>_<tag>`: where a tag leads. Two versions of its lexicon each demand one of the times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagRecord {
    /// The image's name.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// The manifest's record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// The same as a digest, in older records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest_digest: Option<String>,
    /// When it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Datetime>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Datetime>,
}

impl TagRecord {
    /// The record, if it is one of a tag.
    #[must_use]
    pub fn read(record: &Value) -> Option<Self> {
        Self::deserialize(record).ok()
    }

    /// The digest of the manifest, which is one of the same account.
    pub(super) fn digest(&self, account: &Did) -> Option<Digest> {
        let prefix = format!("at://{account}/{}/", nsid::MANIFEST);
        let by_uri = self
            .manifest
            .as_deref()
            .and_then(|uri| Digest::parse(&format!("sha256:{}", uri.strip_prefix(&prefix)?)).ok());
        by_uri.or_else(|| Digest::parse(self.manifest_digest.as_deref()?).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_leads_to_a_manifest_of_its_account() {
        let (alice, hex) = (Did::parse("did:plc:ewvi7nxzyoun6zhxrhs64oiz").unwrap(), "7".repeat(64));
        let read = |json: serde_json::Value| serde_json::from_value::<TagRecord>(json).unwrap().digest(&alice);
        let digest = Digest::parse(&format!("sha256:{hex}")).ok();
        let uri = format!("at://{alice}/io.atcr.manifest/{hex}");
        assert_eq!(read(serde_json::json!({ "repository": "a", "tag": "b", "manifest": uri })), digest);
        let older = format!("sha256:{hex}");
        assert_eq!(read(serde_json::json!({ "repository": "a", "tag": "b", "manifestDigest": older })), digest);
        let foreign = format!("at://did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/io.atcr.manifest/{hex}");
        assert_eq!(read(serde_json::json!({ "repository": "a", "tag": "b", "manifest": foreign })), None);
        assert_eq!(read(serde_json::json!({ "repository": "a", "tag": "b" })), None);
    }

    #[test]
    fn keys_have_no_slash() {
        let (name, tag) = (ImageName::parse("team/my-app").unwrap(), Tag::parse("v1.0").unwrap());
        assert_eq!(tag_key(&name, &tag).as_str(), "team~my-app_v1.0");
        assert!(RecordKey::parse(tag_key(&ImageName::parse(&"a".repeat(255)).unwrap(), &tag).as_str()).is_ok());
    }
}
