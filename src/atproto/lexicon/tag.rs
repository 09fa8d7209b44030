//! Tags and stars, and the keys of their records.

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{RepoPage, nsid};
use crate::syntax::{AtUri, Datetime, Did, Digest, ImageName, RecordKey, SyntaxError, Tag};

/// `io.atcr.tag/<repository>_<tag>`: a tag of a manifest. Two versions of its lexicon each require one of the times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagRecord {
    /// The image's name.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// The URI of the manifest's record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// The digest of the manifest, in older records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest_digest: Option<String>,
    /// Time when the tag was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Datetime>,
    /// Time when the tag was written, in the other version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Datetime>,
}

impl TagRecord {
    /// Returns the record key of a tag; a slash in the name becomes `~`, as keys have none.
    #[must_use]
    pub fn key_of(name: &ImageName, tag: &Tag) -> RecordKey {
        key(&format!("{}_{tag}", name.as_str().replace('/', "~")))
    }

    /// Reads a record; `None` if it is not one of a tag.
    #[must_use]
    pub fn read(record: &Value) -> Option<Self> {
        Self::deserialize(record).ok()
    }

    /// Returns the digest of the manifest, which must be the same account's.
    #[must_use]
    pub fn digest(&self, account: &Did) -> Option<Digest> {
        let prefix = format!("at://{account}/{}/", nsid::MANIFEST);
        let by_uri = self
            .manifest
            .as_deref()
            .and_then(|uri| Digest::parse(&format!("sha256:{}", uri.strip_prefix(&prefix)?)).ok());
        by_uri.or_else(|| Digest::parse(self.manifest_digest.as_deref()?).ok())
    }
}

impl RepoPage {
    /// Returns the record key of a repository's page.
    #[must_use]
    pub fn key_of(name: &ImageName) -> RecordKey {
        key(&name.as_str().replace('/', "~"))
    }
}

/// `io.atcr.sailor.star`: a star that an account gave a repository. Its record may have any key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Star {
    /// The URI of the repository's page, whose record need not exist.
    pub subject: AtUri,
    /// Time when it was given.
    pub created_at: Datetime,
}

impl Star {
    /// Creates a star for a repository.
    #[must_use]
    pub fn of(owner: &Did, name: &ImageName, now: Datetime) -> Self {
        Self { subject: AtUri::record(owner, &nsid::REPO_PAGE.into(), &RepoPage::key_of(name)), created_at: now }
    }

    /// Returns the key of the star records that this software writes: one for each repository.
    #[must_use]
    pub fn key_of(owner: &Did, name: &ImageName) -> RecordKey {
        let hash = Sha256::digest(format!("{owner}/{name}"));
        key(&BASE32_NOPAD.encode(&hash[..16]).to_ascii_lowercase())
    }

    /// Returns the repository that the star is for; `None` for any other subject.
    #[must_use]
    pub fn repository(&self) -> Option<(Did, ImageName)> {
        let mut parts = self.subject.as_str().strip_prefix("at://")?.split('/');
        let (owner, collection, key) = (parts.next()?, parts.next()?, parts.next()?);
        let name = ImageName::parse(&key.replace('~', "/")).ok()?;
        (collection == nsid::REPO_PAGE.as_str()).then_some((Did::parse(owner).ok()?, name))
    }
}

/// Names and tags have only characters that keys may have, and together at most 385.
pub(super) fn key(text: &str) -> RecordKey {
    RecordKey::parse(text).unwrap_or_else(|error: SyntaxError| unreachable!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Did {
        Did::parse("did:plc:ewvi7nxzyoun6zhxrhs64oiz").unwrap()
    }

    #[test]
    fn a_tag_leads_to_a_manifest_of_its_account() {
        let (alice, hex) = (alice(), "7".repeat(64));
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
        assert_eq!(TagRecord::key_of(&name, &tag).as_str(), "team~my-app_v1.0");
        let longest = ImageName::parse(&"a".repeat(256)).unwrap();
        let tag = Tag::parse(&"9".repeat(128)).unwrap();
        assert!(RecordKey::parse(TagRecord::key_of(&longest, &tag).as_str()).is_ok());
    }

    #[test]
    fn a_star_is_for_the_page_of_a_repository() {
        let name = ImageName::parse("team/my-app").unwrap();
        let star = Star::of(&alice(), &name, Datetime::from_micros(1));
        assert_eq!(star.subject.as_str(), format!("at://{}/io.atcr.repo.page/team~my-app", alice()));
        assert_eq!(star.repository(), Some((alice(), name)));
        for subject in ["io.atcr.manifest/a", "io.atcr.repo.page/A", "io.atcr.repo.page"] {
            let subject = AtUri::parse(&format!("at://{}/{subject}", alice())).unwrap();
            assert_eq!(Star { subject, created_at: Datetime::from_micros(1) }.repository(), None);
        }
    }
}
