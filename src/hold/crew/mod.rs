//! Captain and crew: the owner of the hold, the permissions of accounts, and the records that follow the configuration.
//!
//! The records are read for each request, so a change takes effect with the next one. This room knows permissions and
//! membership, not tokens and not HTTP.

mod bans;
mod declared;
mod documents;
mod error;
mod import;
mod manage;
mod members;
mod membership;
mod profile;
mod public_info;
mod reconcile;
mod request;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest as _, Sha256};

use crate::pds::{PageQuery, Pds, Record, Records};
use atproto::lexicon::nsid::{self, Collection};
use atproto::lexicon::{self, SELF_KEY};
use atproto::repo::cbor::{self, Ipld};
use atproto::syntax::{Did, HoldId, RecordKey};

pub use bans::{Ban, remember_limits};
pub use declared::{Declared, DeclaredMember, DeclaredProfile, is_declared};
pub use documents::DocumentTable;
pub use error::CrewError;
pub use import::import_rules;
pub use manage::{CrewChange, CrewWrite, Manager};
pub use members::{CrewMember, MemberChange, Terms};
pub use membership::Membership;
pub use profile::DEFAULT_DESCRIPTION;
pub use public_info::PublicInfo;
pub use request::Joined;

use declared::declared_members;

/// The captain and crew of this hold; cheap to clone.
#[derive(Clone)]
pub struct Crew {
    pds: Pds,
    /// Whether members may be changed at run time.
    mutable: Arc<AtomicBool>,
}

impl Crew {
    /// Makes the crew of the records in `pds`. With `mutable` false only the configuration changes it.
    #[must_use]
    pub fn new(pds: Pds, mutable: bool) -> Self {
        Self { pds, mutable: Arc::new(AtomicBool::new(mutable)) }
    }

    /// Sets whether members may be changed at run time. Returns the former value.
    pub fn set_mutable(&self, mutable: bool) -> bool {
        self.mutable.swap(mutable, Ordering::Relaxed)
    }

    /// Whether members may be changed at run time.
    #[must_use]
    pub fn is_mutable(&self) -> bool {
        self.mutable.load(Ordering::Relaxed)
    }

    /// Whether anyone may read blobs.
    ///
    /// # Errors
    /// [`CrewError::NoCaptain`] before the first start, or a storage error.
    pub async fn is_public(&self) -> Result<bool, CrewError> {
        self.pds.read(|records| Ok(captain(records)?.public)).await
    }

    /// Counts and logs a refusal by a limit of growth.
    fn count_refused_growth(&self, error: &CrewError) {
        if let CrewError::Pds(error) = error
            && let Some(bound) = error.bound()
        {
            tracing::warn!(?bound, "new member refused: {error}");
            self.pds.count_refused_growth(bound);
        }
    }

    /// Returns the hold that follows this one; `None` when there is none.
    ///
    /// # Errors
    /// As [`Crew::is_public`].
    pub async fn successor(&self) -> Result<Option<HoldId>, CrewError> {
        let recorded = self.pds.read(|records| Ok::<_, CrewError>(captain(records)?.successor)).await?;
        Ok(recorded.and_then(|did| HoldId::of_did(&did).ok()))
    }

    /// Returns the captain and the number of members.
    ///
    /// # Errors
    /// As [`Crew::is_public`].
    pub async fn summary(&self) -> Result<Summary, CrewError> {
        self.pds
            .read(|records| Ok(Summary { captain: captain(records)?.owner, members: records.count(&nsid::CREW)? }))
            .await
    }
}

/// The captain and the number of members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The owner.
    pub captain: Did,
    /// Number of crew records, the captain's own included.
    pub members: u64,
}

/// Returns the key of a member's record: the DID if that is a valid record key, else the base32 of its SHA-256. A
/// member has one record.
#[must_use]
pub fn member_key(member: &Did) -> RecordKey {
    RecordKey::parse(member.as_str()).unwrap_or_else(|_| {
        let hash = Sha256::digest(member.as_str());
        let text = data_encoding::BASE32_NOPAD.encode(&hash).to_ascii_lowercase();
        // 52 letters and digits are always a valid record key.
        RecordKey::parse(&text).unwrap_or_else(|_| unreachable!())
    })
}

/// Encodes a record with its `$type`, as the repository stores it.
fn encode(collection: Collection, record: impl serde::Serialize) -> Result<Ipld, CrewError> {
    let mut value = serde_json::to_value(record).map_err(|e| CrewError::Invalid(e.to_string()))?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("$type".into(), collection.as_str().into());
    }
    cbor::from_json(&value).map_err(|e| CrewError::Invalid(e.to_string()))
}

/// Returns a stored record as its type.
fn decode<T: serde::de::DeserializeOwned>(record: Record) -> Result<T, CrewError> {
    serde_json::from_value(record.value).map_err(|e| CrewError::Unreadable(e.to_string()))
}

/// Returns the captain record, which exists from the first start on.
fn captain(records: &Records<'_>) -> Result<lexicon::Captain, CrewError> {
    decode(records.get(&nsid::CAPTAIN, SELF_KEY)?.ok_or(CrewError::NoCaptain)?)
}

/// Number of members that are read at once.
const PAGE: u32 = 500;

/// The crew. An imported repository may have a member's record under any key, may have several of a member, and may have
/// records of which this program understands nothing: these count for nobody, and stay.
#[derive(Default)]
struct CrewRecords {
    /// The members by their [`member_key`].
    members: BTreeMap<RecordKey, lexicon::Crew>,
    /// Those of them that have no record under that key.
    misplaced: BTreeSet<RecordKey>,
    /// Keys of the records of members under other keys.
    obsolete: BTreeSet<RecordKey>,
}

impl CrewRecords {
    fn add(&mut self, record: Record) {
        let rkey = record.rkey.clone();
        let crew: lexicon::Crew = match decode(record) {
            Ok(crew) => crew,
            Err(error) => return tracing::warn!(%rkey, "a crew record counts for nobody: {error}"),
        };
        let key = member_key(&crew.member);
        if rkey == key {
            self.misplaced.remove(&key);
            self.members.insert(key, crew);
            return;
        }
        self.obsolete.insert(rkey);
        if !self.members.contains_key(&key) {
            self.misplaced.insert(key.clone());
            self.members.insert(key, crew);
        }
    }
}

/// Reads all crew records.
fn crew_records(records: &Records<'_>) -> Result<CrewRecords, CrewError> {
    let (mut all, mut cursor) = (CrewRecords::default(), None);
    loop {
        let query = PageQuery { collection: nsid::CREW.to_string(), cursor, limit: PAGE, ascending: true };
        let page = records.page(&query)?;
        page.records.into_iter().for_each(|record| all.add(record));
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::member_key;
    use atproto::syntax::Did;

    #[test]
    fn a_did_that_is_no_record_key_is_hashed() -> Result<(), atproto::syntax::SyntaxError> {
        let plain = Did::parse("did:plc:ewvi7nxzyoun6zhxrhs64oiz")?;
        assert_eq!(member_key(&plain).as_str(), plain.as_str());
        let port = Did::parse("did:web:localhost%3A8080")?;
        let key = member_key(&port);
        assert_eq!(key.as_str().len(), 52);
        assert_eq!(key, member_key(&port));
        Ok(())
    }
}
