//! The hand-over to a successor, a hold under another address: members, layers, statistics, and the config of each
//! manifest. It tells the successor which accounts the blobs belong to, before it has the blobs.

use serde::{Deserialize, Serialize};

use super::{Image, Images, ImagesError, encode, stats};
use crate::crew::{Membership, member_key};
use crate::images::tables;
use crate::images::tables::LayerRow;
use crate::pds::{PageQuery, Plan, RecordChange, RecordWrite, Records, Repository};
use atproto::lexicon::{
    Crew, Layer, ROLE_MEMBER, ROLE_OWNER, Stats, Swap,
    nsid::{self, Collection},
};
use atproto::syntax::{AtUri, Datetime, Did, Digest, RecordKey};

/// Entries imported in one commit: their proofs have to fit into its event, however far apart the records are.
pub const MAX_ENTRIES: usize = 100;

/// An entry of a hand-over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Entry {
    /// DID of the exporting hold; the first entry.
    Hold(Did),
    /// A crew record.
    Member(Crew),
    /// A pushed manifest.
    Manifest {
        /// The address of its record, in its owner's repository.
        uri: AtUri,
        /// The account that pushed it.
        account: Did,
        /// Digest of its config.
        config: Option<Digest>,
    },
    /// A layer record.
    Layer {
        /// The record's key, which stays the same.
        rkey: RecordKey,
        /// The record.
        record: Layer,
    },
    /// A statistics record.
    Stats(Stats),
}

/// The cursor of an export of entries. The default is the beginning.
#[derive(Clone, Debug, Default)]
pub struct HandOverCursor {
    part: Part,
    after: Option<String>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Part {
    #[default]
    Members,
    Manifests,
    Layers,
    Stats,
}

impl Part {
    fn next(self) -> Option<Self> {
        match self {
            Self::Members => Some(Self::Manifests),
            Self::Manifests => Some(Self::Layers),
            Self::Layers => Some(Self::Stats),
            Self::Stats => None,
        }
    }
}

/// The result of importing some entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenOver {
    /// Number of new members.
    pub members: u64,
    /// Number of new manifests.
    pub manifests: u64,
    /// Number of new layer records.
    pub layers: u64,
    /// Number of statistics that were new, or had smaller counts here.
    pub stats: u64,
    /// Number of entries that were here already.
    pub kept: u64,
    /// Number of members left out, because only the configuration makes members here.
    pub left_out: u64,
}

impl Images {
    /// Returns a page of entries from `place` on, and the cursor of the next page. Each call reads a snapshot of its
    /// own: what is written meanwhile may be missing.
    ///
    /// # Errors
    /// A storage error.
    pub async fn hand_over(&self, place: HandOverCursor) -> Result<(Vec<Entry>, Option<HandOverCursor>), ImagesError> {
        let job = move |records: &Records<'_>| {
            let (entries, after) = page(records, &place)?;
            let next = match after {
                Some(_) => Some(HandOverCursor { after, ..place }),
                None => place.part.next().map(|part| HandOverCursor { part, after: None }),
            };
            Ok((entries, next))
        };
        self.inner.pds.read(job).await
    }

    /// Imports at most [`MAX_ENTRIES`] of another hold in one commit. Records that exist here stay: repeated, it
    /// changes nothing. `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// [`ImagesError::Invalid`], or a storage error; then nothing was imported.
    pub async fn take_over(&self, entries: Vec<Entry>, now_us: u64) -> Result<TakenOver, ImagesError> {
        let crew_is_mutable = self.inner.crew.is_mutable();
        let job = move |repository: &Repository<'_>| {
            let mut taking = Taking { repository, crew_is_mutable, now_us, taken: TakenOver::default() };
            let mut changes: Vec<RecordChange> = Vec::new();
            for entry in entries {
                let change = taking.take(entry)?;
                // Of a record that is twice in a file, the first one counts.
                let is_new = |change: &RecordChange| {
                    !changes.iter().any(|c| c.rkey == change.rkey && c.collection == change.collection)
                };
                changes.extend(change.filter(is_new));
            }
            repository.commit(Plan::of(changes))?;
            Ok::<_, ImagesError>(taking.taken)
        };
        self.inner.pds.transact(now_us, job).await
    }
}

fn page(records: &Records<'_>, place: &HandOverCursor) -> Result<(Vec<Entry>, Option<String>), ImagesError> {
    let invalid = |error: serde_json::Error| ImagesError::Invalid(format!("a record cannot be read: {error}"));
    let cursor = place.after.clone();
    let of = |collection: Collection| {
        let limit = u32::try_from(MAX_ENTRIES).unwrap_or(u32::MAX);
        records.page(&PageQuery { collection: collection.to_string(), cursor: cursor.clone(), limit, ascending: true })
    };
    Ok(match place.part {
        Part::Members => {
            let page = of(nsid::CREW)?;
            let member = |record: crate::pds::Record| serde_json::from_value(record.value).map(Entry::Member);
            (page.records.into_iter().map(member).collect::<Result<_, _>>().map_err(invalid)?, page.cursor)
        }
        Part::Manifests => {
            let rows = tables::manifests_after(records.snapshot(), cursor.as_deref().unwrap_or_default(), MAX_ENTRIES)?;
            let after = rows.last().filter(|_| rows.len() == MAX_ENTRIES).map(|row| row.0.to_string());
            (rows.into_iter().map(|(uri, account, config)| Entry::Manifest { uri, account, config }).collect(), after)
        }
        Part::Layers => {
            let page = of(nsid::LAYER)?;
            let layer = |record: crate::pds::Record| {
                serde_json::from_value(record.value).map(|value| Entry::Layer { rkey: record.rkey, record: value })
            };
            (page.records.into_iter().map(layer).collect::<Result<_, _>>().map_err(invalid)?, page.cursor)
        }
        Part::Stats => {
            let page = of(nsid::STATS)?;
            let stats = |record: crate::pds::Record| serde_json::from_value(record.value).map(Entry::Stats);
            (page.records.into_iter().map(stats).collect::<Result<_, _>>().map_err(invalid)?, page.cursor)
        }
    })
}

/// An import of entries, within its transaction.
struct Taking<'t> {
    repository: &'t Repository<'t>,
    crew_is_mutable: bool,
    now_us: u64,
    taken: TakenOver,
}

impl Taking<'_> {
    /// Returns the change that the entry needs, if any. Rows of the index are written here.
    fn take(&mut self, entry: Entry) -> Result<Option<RecordChange>, ImagesError> {
        let rows = self.repository.transaction();
        match entry {
            Entry::Hold(_) => Ok(None),
            Entry::Member(record) => self.member(record),
            Entry::Manifest { uri, account, config } => {
                if tables::has_manifest(rows, &uri)? {
                    return self.keep();
                }
                tables::put_manifest(rows, &uri, &account, config.as_ref())?;
                self.taken.manifests += 1;
                Ok(None)
            }
            Entry::Layer { rkey, record } => self.layer(rkey, &record),
            Entry::Stats(stats) => self.stats(stats),
        }
    }

    fn keep(&mut self) -> Result<Option<RecordChange>, ImagesError> {
        self.taken.kept += 1;
        Ok(None)
    }

    fn member(&mut self, mut record: Crew) -> Result<Option<RecordChange>, ImagesError> {
        if Membership::read(&self.repository.records(), &record.member)?.is_known() {
            return self.keep();
        }
        if !self.crew_is_mutable {
            self.taken.left_out += 1;
            return Ok(None);
        }
        record.check_lengths().map_err(|reason| ImagesError::Invalid(reason.into()))?;
        if record.role == ROLE_OWNER {
            // This hold has an owner already.
            record.role = ROLE_MEMBER.into();
        }
        self.taken.members += 1;
        create(nsid::CREW, member_key(&record.member), &record).map(Some)
    }

    fn layer(&mut self, rkey: RecordKey, record: &Layer) -> Result<Option<RecordChange>, ImagesError> {
        let rows = self.repository.transaction();
        let is_here = self.repository.records().get(&nsid::LAYER, rkey.as_str())?.is_some();
        if is_here || tables::is_layer_of(rows, &record.manifest, &record.digest)? {
            return self.keep();
        }
        tables::put_layer(
            rows,
            &LayerRow {
                rkey: rkey.as_str(),
                account: record.user_did.as_str(),
                digest: &record.digest,
                size_bytes: record.size,
                manifest: record.manifest.as_str(),
            },
        )?;
        self.taken.layers += 1;
        create(nsid::LAYER, rkey, record).map(Some)
    }

    /// Takes the greater counts and the later times: an image that is pushed to both holds meanwhile loses nothing.
    fn stats(&mut self, theirs: Stats) -> Result<Option<RecordChange>, ImagesError> {
        let image = Image { owner: theirs.owner_did, name: theirs.repository };
        let ours = stats::current(&self.repository.records(), &image, self.now_us)?;
        let later = |one: &Option<Datetime>, other: Option<Datetime>| one.clone().max(other);
        let stats = Stats {
            pull_count: ours.pull_count.max(theirs.pull_count),
            push_count: ours.push_count.max(theirs.push_count),
            last_pull: later(&ours.last_pull, theirs.last_pull),
            last_push: later(&ours.last_push, theirs.last_push),
            ..ours.clone()
        };
        if stats == ours {
            return self.keep();
        }
        self.taken.stats += 1;
        stats::put(self.repository, &stats).map(Some)
    }
}

fn create(collection: Collection, rkey: RecordKey, record: impl Serialize) -> Result<RecordChange, ImagesError> {
    Ok(RecordChange {
        collection: collection.into(),
        rkey,
        write: RecordWrite::Create(encode(collection, record)?),
        swap: Swap::Any,
    })
}
