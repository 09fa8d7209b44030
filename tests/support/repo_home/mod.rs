//! The rooms of the repository in this process, on a database in a directory of their own, without HTTP and identity.
//! Time is an argument: each test says when a commit happens.

pub(crate) mod consumer;
pub(crate) mod event;
pub(crate) mod file;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use atcr_hold::crew::{Crew, Declared, DeclaredMember, DeclaredProfile};
use atcr_hold::pds;
use atcr_hold::pds::tables::RepoHead;
use atcr_hold::pds::{Outcome, PageQuery, Pds, PdsError, Plan, RecordChange, RecordWrite};
use atcr_hold::schema;
use atproto::lexicon::{Permission, Swap};
use atproto::repo::mst::{self, Visit};
use atproto::repo::{Cid, RepoError, cbor};
use atproto::syntax::{Did, Nsid, RecordKey, ServiceUrl};
use serde_json::{Value, json};
use server::sqlite::{Database, OpenError, Read};
use server::storage::StorageError;
use tempfile::TempDir;

use super::did_server::key;
use event::Event;

/// The time at which most tests begin, in microseconds since 1970.
pub(crate) const START_US: u64 = 1_800_000_000_000_000;
pub(crate) const CAPTAIN: &str = "io.atcr.hold.captain";
pub(crate) const CREW: &str = "io.atcr.hold.crew";
pub(crate) const PROFILE: &str = "app.bsky.actor.profile";
/// The key that signs, by its number in `did_server::key`.
const KEY: u8 = 77;
const CLOCK_ID: u16 = 5;

/// A repository that can be closed and opened again.
pub(crate) struct RepoHome {
    directory: TempDir,
    url: ServiceUrl,
    pub(crate) database: Database,
    pub(crate) pds: Pds,
    pub(crate) crew: Crew,
}

impl RepoHome {
    /// An empty repository whose crew may change at run time.
    pub(crate) fn new() -> Self {
        Self::open(TempDir::new().unwrap(), ServiceUrl::parse("https://hold.example.org").unwrap(), true)
    }

    /// One that only this machine can reach, so that it has no handle.
    pub(crate) fn local() -> Self {
        Self::open(TempDir::new().unwrap(), ServiceUrl::parse("http://localhost:8080").unwrap(), true)
    }

    /// Closes the database and opens it again.
    pub(crate) fn reopen(self, mutable_crew: bool) -> Self {
        let Self { directory, url, database, pds, crew } = self;
        drop((database, pds, crew));
        Self::open(directory, url, mutable_crew)
    }

    fn open(directory: TempDir, url: ServiceUrl, mutable_crew: bool) -> Self {
        let database = loop {
            match schema::open(&directory.path().join("hold.db")) {
                Ok(database) => break database,
                // The thread of the one before is still ending.
                Err(OpenError::InUse { .. }) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        };
        let pds = Pds::new(database.clone(), url.did(), &url, key(KEY), CLOCK_ID);
        let crew = Crew::new(pds.clone(), mutable_crew);
        Self { directory, url, database, pds, crew }
    }

    /// Where the database is: `hold.db`.
    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    pub(crate) async fn head(&self) -> RepoHead {
        self.read(pds::tables::repo_head).await.expect("a repository")
    }

    /// Reads the database directly.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Read<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> T {
        self.database.read(job).await.unwrap()
    }

    /// Every event after `seq`.
    pub(crate) async fn events_after(&self, seq: i64) -> Vec<Event> {
        let page = self.read(move |read| pds::tables::events_after(read, seq, u32::MAX, usize::MAX)).await;
        let events: Vec<_> = page.frames.iter().map(|frame| Event::decode(frame)).collect();
        assert_eq!(events.last().map(|event| event.seq), page.last_seq, "the rows and their frames agree");
        events
    }

    /// Commits `changes` as they are.
    pub(crate) async fn commit(&self, now_us: u64, changes: Vec<RecordChange>) -> Result<Outcome, PdsError> {
        self.pds.commit(now_us, None, move |_| Ok(Plan::of(changes))).await
    }

    /// All records of a collection by key.
    pub(crate) async fn records(&self, collection: &str) -> BTreeMap<String, Value> {
        let query = PageQuery { collection: collection.into(), cursor: None, limit: 100_000, ascending: true };
        let page = self.pds.read(move |records| records.page(&query)).await.map_err(|e: PdsError| e).unwrap();
        page.records.into_iter().map(|record| (record.rkey.to_string(), record.value)).collect()
    }

    /// The tree as it is stored: path and CID of each record. Checks that the table of blocks has all that the newest
    /// commit reaches, and nothing else.
    pub(crate) async fn stored_tree(&self) -> BTreeMap<String, Cid> {
        let (head, blocks) = self
            .read(|read| {
                let mut blocks = HashMap::new();
                pds::tables::each_block::<StorageError>(read, None, |cid, bytes| {
                    assert!(blocks.insert(cid, bytes).is_none(), "{cid} is there twice");
                    Ok(())
                })?;
                Ok((pds::tables::repo_head(read)?.unwrap(), blocks))
            })
            .await;
        let mut reached = BTreeSet::from([head.commit]);
        let mut records = BTreeMap::new();
        mst::walk::<RepoError>(&blocks, head.data, |visit| {
            match visit {
                Visit::Node { cid, .. } => reached.insert(*cid),
                Visit::Leaf { key, value } => {
                    records.insert(key.to_owned(), *value);
                    reached.insert(*value)
                }
            };
            Ok(())
        })
        .unwrap();
        assert_eq!(
            blocks.keys().copied().collect::<BTreeSet<_>>(),
            reached,
            "what the commit reaches is what is stored"
        );
        records
    }
}

/// A write to one record, `path` being `collection/rkey`.
pub(crate) fn change(path: &str, write: RecordWrite) -> RecordChange {
    let (collection, rkey) = path.split_once('/').unwrap();
    RecordChange {
        collection: Nsid::parse(collection).unwrap(),
        rkey: RecordKey::parse(rkey).unwrap(),
        write,
        swap: Swap::Any,
    }
}

/// A small record that differs with `text`.
pub(crate) fn note(text: &str) -> cbor::Ipld {
    cbor::from_json(&json!({ "$type": "com.example.note", "text": text })).unwrap()
}

/// A hold of `owner` without further crew.
pub(crate) fn declared(home: &RepoHome, owner: &Did) -> Declared {
    Declared {
        url: home.url.clone(),
        profile: DeclaredProfile::default(),
        owner: owner.clone(),
        public: false,
        allow_all_crew: false,
        bluesky_posts: false,
        region: None,
        successor: None,
        crew: BTreeMap::new(),
    }
}

pub(crate) fn member(role: &str, permissions: &[Permission]) -> DeclaredMember {
    DeclaredMember { role: role.into(), permissions: permissions.to_vec(), tier: None }
}

/// The key that the repository's commits must verify with.
pub(crate) fn public_key() -> atproto::keys::PublicKey {
    key(KEY).public()
}
