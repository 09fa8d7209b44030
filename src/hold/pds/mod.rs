//! The embedded PDS: records, signed commits and events of one repository.
//!
//! Every change is made in one database transaction ([`Pds::commit`], [`Pds::transact`]): it reads, decides, changes
//! the tree, signs, and stores blocks, head and event. This room knows repositories, not captains or crew.
//! <https://atproto.com/specs/repository>, <https://atproto.com/specs/sync>

mod blobs;
mod change;
mod commit;
mod error;
mod events;
mod export;
mod hours;
mod import;
mod limits;
mod new_key;
mod outcome;
mod records;
mod reserve;
mod stored_blocks;
mod subscriber_lag;
mod subscription;
pub mod tables;
mod transaction;
mod verify;
mod visited_rows;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::watch;

use crate::pds::tables::RepoHead;
use atproto::keys::SigningKey;
use atproto::repo::Cid;
use atproto::repo::commit::Commit;
use atproto::syntax::{Did, ServiceUrl, Tid};
use server::metrics::CounterBy;
use server::nonpoison::RwLock;
use server::sqlite::{Database, Read};
use server::storage::StorageError;

pub use blobs::{BlobPage, MAX_RECORD_BLOB_BYTES, NewBlob, PublishedBlob};
pub use change::{Plan, RecordChange, RecordWrite};
pub use commit::{MAX_RECORD_BYTES, MAX_WRITES};
pub use error::{BlobRefError, PdsError};
pub use export::BlockStream;
pub use import::{ImportError, ImportFile, ImportProgress, ImportRules, Imported};
pub use limits::{GrowthBound, PdsLimits};
pub use outcome::Outcome;
pub use records::{Record, RecordPage, Records};
pub use subscriber_lag::SubscriberLag;
pub use subscription::{NewestEvent, Step, Subscription};
pub use tables::{BlobsQuery, PageQuery};
pub use transaction::Repository;
pub use verify::{Finding, FindingKind, VerifyReport};

use subscriber_lag::SubscriberPositions;

/// The one repository of this hold; cheap to clone.
#[derive(Clone)]
pub struct Pds {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    did: Did,
    url: ServiceUrl,
    key: SigningKey,
    clock_id: u16,
    exports: Arc<tokio::sync::Semaphore>,
    blobs_in_flight: blobs::InFlight,
    subscribers: SubscriberPositions,
    limits: RwLock<PdsLimits>,
    hours: hours::Hours,
    refused_growth: CounterBy<GrowthBound>,
    /// Whether the last request that makes the database grow was refused for lack of space.
    is_full: AtomicBool,
    newest_event: watch::Sender<NewestEvent>,
}

impl Inner {
    /// The handle in the #identity event; a local hold has none.
    fn handle(&self) -> Option<&str> {
        (!self.url.is_local()).then(|| self.url.authority())
    }
}

/// The head of the repository: its newest commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The DID of the repository.
    pub did: Did,
    /// The newest commit.
    pub commit: Cid,
    /// Its revision.
    pub rev: Tid,
}

/// Microseconds that a revision may be ahead of a clock: relays refuse more.
const MAX_AHEAD_US: u64 = 5 * 60 * 1_000_000;

impl Head {
    /// Returns the seconds by which the revision is ahead of `now_us` (microseconds since 1970), if relays would refuse
    /// it; else `None`. The clock was ahead when it was made, and each later revision is above it.
    #[must_use]
    pub fn ahead_s(&self, now_us: u64) -> Option<u64> {
        let ahead_us = self.rev.micros().saturating_sub(now_us);
        (ahead_us > MAX_AHEAD_US).then_some(ahead_us / 1_000_000)
    }
}

impl From<RepoHead> for Head {
    fn from(head: RepoHead) -> Self {
        Self { did: head.did, commit: head.commit, rev: head.rev }
    }
}

/// Reads the head of the repository in a database, of any owner; `None` before its first commit.
///
/// # Errors
/// [`StorageError`].
pub fn stored_head(read: &Read<'_>) -> Result<Option<Head>, StorageError> {
    Ok(tables::repo_head(read)?.map(Head::from))
}

/// Limit of concurrent exports: each holds a database connection for as long as its reader takes. The API admits four,
/// so that there is one for the operator.
const MAX_EXPORTS: usize = 5;

impl Pds {
    /// Opens the repository of `did`, the hold at `url`, in `database`, signed with `key`. `clock_id` keeps TIDs of
    /// different processes distinct.
    #[must_use]
    pub fn new(database: Database, did: &Did, url: &ServiceUrl, key: SigningKey, clock_id: u16) -> Self {
        let exports = Arc::new(tokio::sync::Semaphore::new(MAX_EXPORTS));
        let (did, url, blobs_in_flight) = (did.clone(), url.clone(), blobs::InFlight::default());
        let (subscribers, newest_event) = (SubscriberPositions::default(), watch::Sender::default());
        let (limits, refused_growth) = (RwLock::default(), CounterBy::default());
        let inner = Inner {
            database,
            did,
            url,
            key,
            clock_id,
            exports,
            blobs_in_flight,
            subscribers,
            limits,
            hours: hours::Hours::default(),
            refused_growth,
            is_full: AtomicBool::new(false),
            newest_event,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The DID of the repository.
    #[must_use]
    pub fn did(&self) -> &Did {
        &self.inner.did
    }

    /// The address of the hold.
    #[must_use]
    pub fn url(&self) -> &ServiceUrl {
        &self.inner.url
    }

    /// Returns the hold's handle; `None` when only this machine can reach it.
    #[must_use]
    pub fn handle(&self) -> Option<&str> {
        self.inner.handle()
    }

    /// Returns the head of the repository; `None` before its first commit.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub async fn head(&self) -> Result<Option<Head>, PdsError> {
        Ok(self.inner.database.read(stored_head).await?)
    }

    /// Checks at start that the stored repository is the hold's own: the same DID, signed with its key.
    ///
    /// # Errors
    /// [`PdsError::OtherDid`] or [`PdsError::OtherKey`].
    pub async fn check_ownership(&self) -> Result<(), PdsError> {
        let Some(head) = self.head().await? else { return Ok(()) };
        if head.did != self.inner.did {
            return Err(PdsError::OtherDid(head.did));
        }
        let commit = self.block(head.commit).await?.ok_or(PdsError::MissingBlock(head.commit))?;
        let commit = Commit::decode(&commit)?;
        commit.verify(&self.inner.key.public()).map_err(|_| PdsError::OtherKey)
    }

    /// Creates an empty unnamed file beside the database, as a buffer of received bytes.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub fn spool(&self) -> Result<std::fs::File, PdsError> {
        Ok(self.inner.database.unnamed_file()?)
    }

    /// Returns the bytes of a block of the repository; `None` when it has no such block.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub async fn block(&self, cid: Cid) -> Result<Option<Vec<u8>>, PdsError> {
        self.inner.database.read(move |read| Ok(tables::block(read, &cid)?)).await
    }
}

/// Wraps a caller's error, so that it passes through the database, whose own is a storage error.
struct Carried<E>(E);

impl<E> Carried<E> {
    fn into_inner(self) -> E {
        self.0
    }
}

impl<E: From<PdsError>> From<StorageError> for Carried<E> {
    fn from(error: StorageError) -> Self {
        Self(E::from(PdsError::from(error)))
    }
}
