//! Profiles of accounts, and pages of their repositories, from their records, which may have any form. A picture must
//! match its digest and begin like a picture.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quick_cache::Weighter;
use serde_json::Value;

use super::answer_cache::{Answer, AnswerCache, CacheTimes, LookUpError};
use super::{Catalog, slot_at_host};
use atproto::lexicon::nsid::{self, Collection};
use atproto::lexicon::{RepoPage, self_key};
use atproto::repo::cid;
use atproto::syntax::{Datetime, Did, Digest, ImageName, RecordKey};
use server::identity::Account;
use server::text::line;

const TIMES: CacheTimes =
    CacheTimes { fresh: Duration::from_secs(60), failed: Duration::from_secs(30), time_out: Duration::from_secs(4) };
const MAX_PROFILES: usize = 4096;
/// Size of the cache of repository pages, at 100 KB each at most.
const MAX_PAGE_BYTES: u64 = 8 * 1024 * 1024;
const MAX_PICTURE_BYTES: u64 = 16 * 1024 * 1024;
const USUAL: usize = 512;
/// Maximum number of pixels of a picture: a browser needs four bytes for each.
const MAX_PIXELS: usize = 25_000_000;
const MAX_NAME_CHARS: usize = 64;
const MAX_TEXT_CHARS: usize = 400;

/// The profile of an account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PersonProfile {
    /// Display name.
    pub name: Option<String>,
    /// Description, in one line.
    pub description: Option<String>,
    /// Digest of the picture.
    pub picture: Option<Digest>,
}

/// The page of a repository.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PageContent {
    /// Text in Markdown.
    pub text: Option<String>,
    /// Digest of the picture.
    pub picture: Option<Digest>,
    /// Time of the last write.
    pub written: Option<Datetime>,
}

/// A picture whose media type and number of pixels were checked.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Media type by its first bytes, whatever its record says.
    pub media_type: &'static str,
    /// The whole file.
    pub bytes: Bytes,
}

#[derive(Clone)]
pub(super) struct BySize;

impl Weighter<Did, Answer<Arc<PersonProfile>>> for BySize {
    fn weight(&self, _: &Did, _: &Answer<Arc<PersonProfile>>) -> u64 {
        1
    }
}

impl Weighter<(Did, ImageName), Answer<Arc<PageContent>>> for BySize {
    fn weight(&self, _: &(Did, ImageName), answer: &Answer<Arc<PageContent>>) -> u64 {
        500 + answer.as_ref().map_or(0, |page| page.text.as_ref().map_or(0, String::len)) as u64
    }
}

impl Weighter<(Did, Digest), Answer<Picture>> for BySize {
    fn weight(&self, _: &(Did, Digest), answer: &Answer<Picture>) -> u64 {
        500 + answer.as_ref().map_or(0, |picture| picture.bytes.len()) as u64
    }
}

pub(super) type Profiles = Arc<AnswerCache<Did, Arc<PersonProfile>, BySize>>;
pub(super) type Pages = Arc<AnswerCache<(Did, ImageName), Arc<PageContent>, BySize>>;
pub(super) type Pictures = Arc<AnswerCache<(Did, Digest), Picture, BySize>>;

pub(super) fn remembered_profiles() -> Profiles {
    AnswerCache::new(MAX_PROFILES, MAX_PROFILES as u64, BySize, TIMES)
}

pub(super) fn remembered_pages() -> Pages {
    AnswerCache::new(USUAL, MAX_PAGE_BYTES, BySize, TIMES)
}

pub(super) fn remembered_pictures() -> Pictures {
    let fresh = Duration::from_secs(60 * 60);
    AnswerCache::new(USUAL, MAX_PICTURE_BYTES, BySize, CacheTimes { fresh, ..TIMES })
}

impl Catalog {
    /// Returns the profile of an account.
    ///
    /// # Errors
    /// [`LookUpError`]; the same below.
    pub async fn profile(&self, account: &Arc<Account>) -> Result<Arc<PersonProfile>, LookUpError> {
        let asked = self.record(account, nsid::PROFILE, self_key());
        let profile = async move {
            let record = asked.await?.unwrap_or_default();
            let text = |field: &str, max| record.get(field)?.as_str().and_then(|text| line(text, max));
            Ok(Arc::new(PersonProfile {
                name: text("displayName", MAX_NAME_CHARS),
                description: text("description", MAX_TEXT_CHARS),
                picture: picture_of(&record),
            }))
        };
        self.profiles.get(account.did.clone(), profile).await
    }

    /// Returns the page of a repository.
    ///
    /// # Errors
    /// [`LookUpError`]
    pub async fn page(&self, account: &Arc<Account>, name: &ImageName) -> Result<Arc<PageContent>, LookUpError> {
        let asked = self.record(account, nsid::REPO_PAGE, RepoPage::key_of(name));
        let page = async move {
            let record = asked.await?.unwrap_or_default();
            let text = |field: &str| record.get(field).and_then(Value::as_str);
            let markdown = text("description").filter(|text| text.len() <= RepoPage::MAX_DESCRIPTION_BYTES);
            Ok(Arc::new(PageContent {
                text: markdown.filter(|text| !text.trim().is_empty()).map(str::to_owned),
                picture: picture_of(&record),
                written: text("updatedAt").and_then(|at| Datetime::parse(at).ok()),
            }))
        };
        self.pages.get((account.did.clone(), name.clone()), page).await
    }

    /// Returns a picture that one of these records names.
    ///
    /// # Errors
    /// [`LookUpError`]; [`LookUpError::Absent`] also for bytes that are too many, no picture, or too many pixels.
    pub async fn picture(&self, account: &Arc<Account>, digest: Digest) -> Result<Picture, LookUpError> {
        let (repos, look_ups, owner) = (Arc::clone(&self.repos), self.look_ups.clone(), Arc::clone(account));
        let picture = async move {
            let _slot = slot_at_host(&look_ups, &repos, &owner).await?;
            let bytes = match repos.blob(&owner, &digest, RepoPage::MAX_PICTURE_BYTES).await {
                Err(error) if error.is_too_large() => return Err(LookUpError::Absent("it has too many bytes")),
                bytes => bytes?.ok_or(LookUpError::Absent("there is no such picture"))?,
            };
            let media_type = looks_like(&bytes).ok_or(LookUpError::Absent("it is no picture"))?;
            if !is_drawable(&bytes) {
                return Err(LookUpError::Absent("it has too many pixels"));
            }
            Ok(Picture { media_type, bytes })
        };
        self.pictures.get((account.did.clone(), digest), picture).await
    }

    /// Returns a future that reads a record; no request is made before it is polled.
    fn record(
        &self,
        account: &Arc<Account>,
        collection: Collection,
        key: RecordKey,
    ) -> impl Future<Output = Result<Option<Value>, LookUpError>> + Send + 'static + use<> {
        let (repos, look_ups, owner) = (Arc::clone(&self.repos), self.look_ups.clone(), Arc::clone(account));
        async move {
            let _slot = slot_at_host(&look_ups, &repos, &owner).await?;
            let seen = repos.record(&owner, collection, &key).await;
            Ok(seen?.value)
        }
    }
}

/// Returns the digest of a record's picture, if its media type is one that is shown.
fn picture_of(record: &Value) -> Option<Digest> {
    let picture = record.get("avatar")?;
    if !RepoPage::PICTURE_TYPES.contains(&picture.get("mimeType")?.as_str()?) {
        return None;
    }
    let link = picture.get("ref")?.get("$link")?.as_str()?;
    cid::digest_of(&cid::parse(link).ok()?)
}

/// Returns the media type of a picture by its first bytes, if browsers draw that type without running anything.
#[must_use]
pub fn looks_like(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// Whether a picture states its number of pixels, and that is small enough for browsers: a file of some kilobytes may
/// have gigabytes of pixels.
#[must_use]
pub fn is_drawable(bytes: &[u8]) -> bool {
    imagesize::blob_size(bytes)
        .is_ok_and(|size| size.width.checked_mul(size.height).is_some_and(|pixels| pixels <= MAX_PIXELS))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{cid, is_drawable, looks_like, picture_of};

    /// The beginning of a PNG of this size.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let head: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
        [head, &width.to_be_bytes(), &height.to_be_bytes(), b"\x08\x02\0\0\0"].concat()
    }

    /// The beginning of a JPEG of this size, behind a comment.
    fn jpeg(width: u16, height: u16) -> Vec<u8> {
        let head: &[u8] = b"\xff\xd8\xff\xfe\0\x04hi\xff\xc0\0\x11\x08";
        [head, &height.to_be_bytes(), &width.to_be_bytes(), b"\x03\x01\x22\0\x02\x11\x01\x03\x11\x01"].concat()
    }

    /// The beginning of a WebP of this size.
    fn webp(width: u32, height: u32) -> Vec<u8> {
        let less = |size: u32| (size - 1).to_le_bytes()[..3].to_vec();
        [b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0", &less(width)[..], &less(height)].concat()
    }

    #[test]
    fn a_picture_of_gigabytes_of_pixels_is_not_drawn() {
        for (picture, drawn) in [
            (png(512, 512), true),
            (png(5000, 5000), true),
            (png(10_000, 10_000), false),
            (png(u32::MAX, u32::MAX), false),
            (b"\x89PNG\r\n\x1a\n".to_vec(), false),
            (jpeg(3000, 2000), true),
            (jpeg(65_535, 65_535), false),
            (b"\xff\xd8\xff".to_vec(), false),
            (webp(1000, 1000), true),
            (webp(16_000, 16_000), false),
            (b"RIFF\0\0\0\0WEBPVP8X".to_vec(), false),
        ] {
            assert_eq!(looks_like(&picture).is_some() && is_drawable(&picture), drawn, "{picture:?}");
        }
    }

    #[test]
    fn a_record_names_a_picture_of_a_kind_that_is_shown() {
        let link = cid::raw_of(b"a").to_string();
        let named = |kind: &str, link: &str| {
            picture_of(&json!({ "avatar": { "$type": "blob", "ref": { "$link": link }, "mimeType": kind, "size": 1 } }))
        };
        assert_eq!(named("image/png", &link), cid::digest_of(&cid::raw_of(b"a")));
        assert_eq!((named("image/svg+xml", &link), named("image/png", "x")), (None, None));
        assert_eq!(named("image/png", &cid::dag_cbor(b"a").to_string()), None);
        assert_eq!(picture_of(&json!({ "avatar": "x" })), None);
    }

    #[test]
    fn a_picture_is_known_by_its_first_bytes() {
        assert_eq!(looks_like(b"\x89PNG\r\n\x1a\nrest"), Some("image/png"));
        assert_eq!(looks_like(&[0xff, 0xd8, 0xff, 0xe0]), Some("image/jpeg"));
        assert_eq!(looks_like(b"RIFF\0\0\0\0WEBPVP8 "), Some("image/webp"));
        for other in [&b"<svg xmlns="[..], b"<html>", b"GIF89a", b"", b"\x89PNG"] {
            assert_eq!(looks_like(other), None);
        }
    }
}
