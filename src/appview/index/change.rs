//! Changes of the index by records: parsed, and limited in size whatever a record has.

use serde_json::Value;

use super::page_words::page_words;
use atproto::lexicon::nsid;
use atproto::lexicon::{Captain, Manifest, RepoPage, SELF_KEY, Star, Stats, TagRecord};
use atproto::syntax::{Datetime, Did, Digest, ImageName, RecordKey, Tag};

const MAX_TEXT_CHARS: usize = 300;
const MAX_PLATFORMS: usize = 16;
const MAX_PLATFORM_CHARS: usize = 32;
/// Upper limit of pull counts, which no image reaches.
pub const MAX_COUNT: u64 = 1 << 40;

/// A change of an account or of one of its records.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Account that changed, or that owns the record.
    pub account: Did,
    /// The change.
    pub kind: ChangeKind,
}

/// The kind and content of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeKind {
    /// A tag was written.
    Tag(WrittenTag),
    /// A manifest was written.
    Manifest(WrittenManifest),
    /// The page of a repository was written or deleted.
    Page {
        /// Repository.
        name: ImageName,
        /// The first words of its text; empty for none.
        text: String,
    },
    /// The account gave a star.
    Star {
        /// Record key.
        key: String,
        /// Owner of the repository.
        owner: Did,
        /// Name of the repository.
        name: ImageName,
    },
    /// The account is a hold whose captain record was written or deleted.
    Captain {
        /// Whether anybody may read its blobs.
        is_public: bool,
    },
    /// The account is a hold whose crew has changed.
    Crew,
    /// The account is a hold that counted the pulls of an image.
    Stats(PullCount),
    /// The tag with this record key was deleted.
    NoTag(String),
    /// The manifest was deleted.
    NoManifest(Digest),
    /// The star with this record key was deleted.
    NoStar(String),
    /// The handle of the account may have changed.
    Handle,
    /// The account became active or inactive at its server.
    Active(bool),
    /// The account was deleted.
    Gone,
    /// The account's records are to be listed.
    List,
    /// The account's records are to be listed, if the account is in the index.
    Relist,
    /// All records of the account leave the index; the account stays known.
    Clear,
    /// The account uses ATCR: its records are to be listed, if it is new and events are followed.
    Seen,
}

/// A tag, by its record.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenTag {
    /// Record key.
    pub key: String,
    /// Repository.
    pub name: ImageName,
    /// Tag.
    pub tag: Tag,
    /// Digest of the manifest.
    pub digest: Digest,
    /// Time of the write by the record, microseconds since 1970; not later than now.
    pub written_us: u64,
}

/// A manifest, by its record.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenManifest {
    /// Digest.
    pub digest: Digest,
    /// Repository of the first push.
    pub name: ImageName,
    /// Hold with its blobs.
    pub hold: Option<Did>,
    /// Description from its annotations.
    pub description: String,
    /// Platforms, separated by spaces.
    pub platforms: String,
    /// Size of configuration and layers.
    pub size_bytes: u64,
    /// Time of the first push by the record, microseconds since 1970; not later than now.
    pub created_us: u64,
}

/// The pull count of an image at a hold.
#[derive(Clone, Debug, PartialEq)]
pub struct PullCount {
    pub(super) owner: Did,
    pub(super) name: ImageName,
    /// Number of manifest downloads, [`MAX_COUNT`] at most.
    pub(super) pulls: u64,
    /// Whether the hold was asked for the count: an event may have brought a newer one meanwhile.
    pub(super) is_answer: bool,
}

impl PullCount {
    /// Returns the count of an image of `owner`, cut to [`MAX_COUNT`].
    #[must_use]
    pub fn new(owner: Did, name: ImageName, pulls: u64) -> Self {
        Self { owner, name, pulls: pulls.min(MAX_COUNT), is_answer: false }
    }
}

impl From<Stats> for PullCount {
    fn from(stats: Stats) -> Self {
        Self::new(stats.owner_did, stats.repository, stats.pull_count)
    }
}

impl Change {
    /// Returns the change for a record that was written, or deleted if that is `None`. Returns `None` for collections
    /// that are not in the index, and for records that do not match their lexicon.
    #[must_use]
    pub fn of(account: &Did, collection: &str, key: &str, record: Option<&Value>, now_us: u64) -> Option<Self> {
        RecordKey::parse(key).ok()?;
        let kind = match record {
            Some(record) => written(account, collection, key, record, now_us)?,
            None => deleted(collection, key)?,
        };
        Some(Self { account: account.clone(), kind })
    }
}

fn written(account: &Did, collection: &str, key: &str, record: &Value, now_us: u64) -> Option<ChangeKind> {
    let owned = || record.clone();
    if collection == nsid::TAG.as_str() {
        return tag(account, key, record, now_us);
    }
    if collection == nsid::MANIFEST.as_str() {
        return manifest(key, serde_json::from_value(owned()).ok()?, now_us);
    }
    if collection == nsid::REPO_PAGE.as_str() {
        let name = page_of(key)?;
        let text = record.get("description").and_then(Value::as_str).filter(|_| is_named(record, &name))?;
        // Of four bytes each at most.
        let words = page_words(text, 4 * MAX_TEXT_CHARS);
        return Some(ChangeKind::Page { name, text: line(Some(&words)) });
    }
    if collection == nsid::STAR.as_str() {
        let (owner, name) = serde_json::from_value::<Star>(owned()).ok()?.repository()?;
        return Some(ChangeKind::Star { key: key.to_owned(), owner, name });
    }
    if collection == nsid::CAPTAIN.as_str() && key == SELF_KEY {
        return Some(ChangeKind::Captain { is_public: serde_json::from_value::<Captain>(owned()).ok()?.public });
    }
    if collection == nsid::SAILOR_PROFILE.as_str() {
        return Some(ChangeKind::Seen);
    }
    if collection == nsid::CREW.as_str() {
        return Some(ChangeKind::Crew);
    }
    if collection == nsid::STATS.as_str() {
        return Some(ChangeKind::Stats(serde_json::from_value::<Stats>(owned()).ok()?.into()));
    }
    None
}

fn deleted(collection: &str, key: &str) -> Option<ChangeKind> {
    if collection == nsid::TAG.as_str() {
        return Some(ChangeKind::NoTag(key.to_owned()));
    }
    if collection == nsid::MANIFEST.as_str() {
        return Some(ChangeKind::NoManifest(Digest::parse(&format!("sha256:{key}")).ok()?));
    }
    if collection == nsid::REPO_PAGE.as_str() {
        return Some(ChangeKind::Page { name: page_of(key)?, text: String::new() });
    }
    if collection == nsid::STAR.as_str() {
        return Some(ChangeKind::NoStar(key.to_owned()));
    }
    if collection == nsid::CREW.as_str() {
        return Some(ChangeKind::Crew);
    }
    // A hold without a captain record is not public.
    (collection == nsid::CAPTAIN.as_str() && key == SELF_KEY).then_some(ChangeKind::Captain { is_public: false })
}

fn tag(account: &Did, key: &str, record: &Value, now_us: u64) -> Option<ChangeKind> {
    let record = TagRecord::read(record)?;
    let (name, tag) = (ImageName::parse(&record.repository).ok()?, Tag::parse(&record.tag).ok()?);
    let is_its_own = TagRecord::key_of(&name, &tag).as_str() == key;
    if !is_its_own || tag.attached_to().is_some() {
        return None;
    }
    let digest = record.digest(account)?;
    let written = record.updated_at.or(record.created_at);
    let written_us = written.as_ref().map_or(0, Datetime::to_micros).min(now_us);
    Some(ChangeKind::Tag(WrittenTag { key: key.to_owned(), name, tag, digest, written_us }))
}

fn manifest(key: &str, record: Manifest, now_us: u64) -> Option<ChangeKind> {
    let digest = Digest::parse(&record.digest).ok().filter(|digest| digest.hex() == key)?;
    if record.has_subject() {
        return None;
    }
    let created = record.other.get("createdAt").and_then(Value::as_str).and_then(|at| Datetime::parse(at).ok());
    Some(ChangeKind::Manifest(WrittenManifest {
        digest,
        name: ImageName::parse(&record.repository).ok()?,
        hold: record.hold().map(|hold| hold.did().clone()),
        description: line(record.description()),
        platforms: platforms(&record),
        size_bytes: record.size_bytes().min(MAX_COUNT << 10),
        created_us: created.as_ref().map_or(0, Datetime::to_micros).min(now_us),
    }))
}

/// Returns the platforms of an index, separated by spaces.
fn platforms(record: &Manifest) -> String {
    let all = record.other.get("manifests").and_then(Value::as_array).into_iter().flatten();
    let mut found: Vec<String> = Vec::new();
    for platform in all.filter_map(|manifest| manifest.get("platform")).take(MAX_PLATFORMS * 4) {
        let part = |name: &str| {
            let text = platform.get(name).and_then(Value::as_str)?;
            let is_word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            (!text.is_empty() && text.len() <= MAX_PLATFORM_CHARS && text.chars().all(is_word)).then_some(text)
        };
        let (Some(os), Some(architecture)) = (part("os"), part("architecture")) else { continue };
        let variant = part("variant").map(|variant| format!("/{variant}")).unwrap_or_default();
        let text = format!("{os}/{architecture}{variant}");
        // `unknown` is the platform of manifests attached to an image.
        if os != "unknown" && !found.contains(&text) && found.len() < MAX_PLATFORMS {
            found.push(text);
        }
    }
    found.join(" ")
}

fn page_of(key: &str) -> Option<ImageName> {
    let name = ImageName::parse(&key.replace('~', "/")).ok()?;
    (RepoPage::key_of(&name).as_str() == key).then_some(name)
}

fn is_named(record: &Value, name: &ImageName) -> bool {
    record.get("repository").and_then(Value::as_str).is_none_or(|said| said == name.as_str())
}

fn line(text: Option<&str>) -> String {
    text.and_then(|text| server::text::line(text, MAX_TEXT_CHARS)).unwrap_or_default()
}
