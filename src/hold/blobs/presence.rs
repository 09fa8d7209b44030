//! The check that the storage is the hold's own.
//!
//! The marker, a small object beside the blobs, has the hold's DID and an id that the hold's database has too. A
//! directory whose disk is not mounted has no marker; the bucket of another hold has another marker. Without this check
//! such a hold answers 404 for its blobs, takes uploads onto the wrong disk, and `storage verify --repair` deletes the
//! row of every blob.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};

use super::names::{BLOBS, blob_key};
use super::tables;
use crate::objects::Objects;
use atproto::syntax::Did;
use server::nonpoison::{Mutex, MutexGuard};
use server::sqlite::Database;
use server::storage::StorageError;

/// The key of the marker, beside the folder of the blobs, so that a copy of all blobs includes it.
const MARKER: &str = "docker/atcr-hold.json";
/// Most bytes of a marker that are read.
const MAX_MARKER_BYTES: u64 = 4096;
/// Number of recorded blobs that are looked for in a storage without a marker.
const SAMPLE: usize = 16;
/// Number of storages before that a marker names.
const MAX_BEFORE: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    hold: String,
    id: String,
    /// The ids of the storages that were migrated to this one, the last one last: a backup of the database may have one of
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<String>,
}

impl Marker {
    /// Returns the marker with the new `id` of a storage that had this one, to which that with `left` was migrated.
    fn after(self, left: String, id: String) -> Self {
        let mut before: Vec<_> = self.before.into_iter().chain([self.id]).filter(|known| *known != left).collect();
        before.push(left);
        let before = before.split_off(before.len().saturating_sub(MAX_BEFORE));
        Self { hold: self.hold, id, before }
    }
}

/// Errors of the check. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PresenceError {
    /// The storage has no marker, and should have one.
    #[error(
        "the storage {location} is not the one this hold used: {MARKER} is missing there, as when a disk is not mounted or a \
         bucket was emptied; mount it, or correct [storage]; if it is right as it is, run `atcr-hold storage adopt`"
    )]
    Missing {
        /// The storage.
        location: String,
    },
    /// The storage has the marker of another storage of this hold.
    #[error(
        "the storage {location} is not the one this hold used last: its {MARKER} names {hold}, with another id, as one has \
         that the hold left by `atcr-hold storage migrate`; mount the right disk, or correct [storage]; to go back to this \
         one, migrate to it from the one used last; if it is right as it is, run `atcr-hold storage adopt`"
    )]
    Left {
        /// The storage.
        location: String,
        /// The DID of the hold.
        hold: String,
    },
    /// The storage has the marker of another hold.
    #[error(
        "the storage {location} is not the one this hold used: its {MARKER} names {hold}, with another id; mount the right \
         disk, or correct [storage]; if it is right as it is, run `atcr-hold storage adopt`"
    )]
    Foreign {
        /// The storage.
        location: String,
        /// The DID in the marker.
        hold: String,
    },
    /// The storage has blobs of this hold, but the database is new: it may be on a disk that is not mounted.
    #[error(
        "the storage {location} has blobs of this hold, but the database is new, as when its disk is not mounted; mount it, \
         correct database.path (HOLD_DATABASE_PATH), or restore a backup; if the database is lost for good, run \
         `atcr-hold storage adopt`"
    )]
    NewDatabase {
        /// The storage.
        location: String,
    },
    /// The marker cannot be read or written, or the storage does not answer.
    #[error(
        "{MARKER}, by which the hold knows its own storage, cannot be {tried} in {location}: {error}; let the hold read and \
         write it there, or correct [storage]"
    )]
    Marker {
        /// What was tried: "read" or "written".
        tried: &'static str,
        /// The storage.
        location: String,
        /// The error of the storage.
        error: StorageError,
    },
    /// The storage or the database failed.
    #[error("whether the storage is the hold's own cannot be checked: {0}")]
    Storage(#[from] StorageError),
}

/// The check of the storage by its marker; cheap to clone.
#[derive(Clone)]
pub struct Presence(Arc<Inner>);

struct Inner {
    objects: Objects,
    /// The name of the storage for messages.
    location: String,
    hold: String,
    /// Whether the database had no repository when it was opened.
    is_new: bool,
    /// The marker's id; `None` while the storage was never marked.
    id: Mutex<Option<String>>,
    is_there: AtomicBool,
    /// Whether the storage may be marked.
    marks: AtomicBool,
}

impl Presence {
    /// Reads the recorded id of the marker in `objects`, the storage of `hold`, whose database `is_new` while it has no
    /// repository. Sends no request to the storage.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recorded(
        objects: Objects,
        location: String,
        hold: &Did,
        is_new: bool,
        db: &Database,
    ) -> Result<Self, StorageError> {
        let id = db.read(tables::storage_id).await?;
        let (hold, id) = (hold.to_string(), Mutex::new(id));
        let inner = Inner { objects, location, hold, is_new, id, is_there: true.into(), marks: true.into() };
        Ok(Self(Arc::new(inner)))
    }

    /// Lets [`Presence::claim`] pass over a storage that it would mark: another process may use it, with another
    /// database, and would miss its own mark.
    pub fn never_mark(&self) {
        self.0.marks.store(false, Ordering::Relaxed);
    }

    /// Checks the marker. Marks a storage that was never marked with `new_id`, if the hold is new, or is from before
    /// there were markers and some of its blobs are there. So is the target of a migration at its first use: from then on
    /// the storage that was left is refused.
    ///
    /// # Errors
    /// [`PresenceError`]. After one other than [`PresenceError::Storage`] nothing was changed.
    pub async fn claim(&self, db: &Database, new_id: String) -> Result<(), PresenceError> {
        let marker = self.marker().await?;
        let is_others = |marker: &Marker| marker.hold != self.0.hold;
        match (self.id(), marker) {
            (Some(left), marker) if !marker.as_ref().is_some_and(is_others) && self.is_migrated_to(db).await? => {
                let marker = match marker {
                    Some(marker) => marker.after(left, new_id),
                    None => Marker { before: vec![left], ..self.fresh_marker(new_id) },
                };
                self.mark(db, marker).await
            }
            (Some(id), Some(marker)) if marker.id == id => Ok(()),
            // The database is a copy from before a migration to this storage.
            (Some(id), Some(marker)) if !is_others(&marker) && marker.before.contains(&id) => {
                self.record(db, marker.id).await
            }
            // A hold that would begin anew, with another key and repository, under the address that has blobs.
            (None, Some(marker)) if marker.hold == self.0.hold && self.0.is_new && self.has_blobs().await? => {
                Err(PresenceError::NewDatabase { location: self.0.location.clone() })
            }
            // The database is a copy from before the storage was marked, or the first start was cut off.
            (None, Some(marker)) if marker.hold == self.0.hold => self.record(db, marker.id).await,
            (_, Some(marker)) => Err(self.foreign(marker)),
            (None, None) if self.has_recorded_blobs(db).await? => {
                self.mark(db, self.fresh_marker(new_id)).await?;
                tracing::info!(storage = self.0.location, "the storage is marked as this hold's own");
                Ok(())
            }
            (_, None) => Err(PresenceError::Missing { location: self.0.location.clone() }),
        }
    }

    /// Marks the storage as the hold's own with `new_id`, whatever marker it has.
    ///
    /// # Errors
    /// [`PresenceError::Storage`]: the storage is unchanged, or may be adopted again.
    pub async fn adopt(&self, db: &Database, new_id: String) -> Result<(), PresenceError> {
        self.mark(db, self.fresh_marker(new_id)).await?;
        self.0.is_there.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Returns the other hold that the marker in another storage names; `None` without a marker, and with one of this hold:
    /// that of this storage, which a copy of it has too, or of one that was left.
    ///
    /// # Errors
    /// When the other storage fails.
    pub async fn other_hold_in(&self, objects: &Objects) -> Result<Option<String>, StorageError> {
        let marker = marker_in(objects).await?;
        let is_own = |marker: &Marker| marker.hold == self.0.hold || Some(&marker.id) == self.id().as_ref();
        Ok(marker.filter(|marker| !is_own(marker)).map(|marker| marker.hold))
    }

    /// Records that a migration copied every blob to the storage `location`: it may be used without a marker.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn migrated(db: &Database, location: String) -> Result<(), StorageError> {
        db.write(move |write| tables::put_storage_migrated_to(write, &location)).await
    }

    /// Reads the marker, and remembers until the next check whether it is the right one.
    ///
    /// # Errors
    /// [`PresenceError`]. When the storage fails, the earlier result stays.
    pub async fn check(&self) -> Result<(), PresenceError> {
        let Some(id) = self.id() else { return Ok(()) };
        let marker = self.marker().await?;
        let outcome = match marker {
            Some(marker) if marker.id == id => Ok(()),
            Some(marker) => Err(self.foreign(marker)),
            None => Err(PresenceError::Missing { location: self.0.location.clone() }),
        };
        self.0.is_there.store(outcome.is_ok(), Ordering::Relaxed);
        outcome
    }

    /// Whether the storage was the hold's own at the last check.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.0.is_there.load(Ordering::Relaxed)
    }

    /// Fails unless [`Presence::is_there`].
    ///
    /// # Errors
    /// [`StorageError::Unavailable`].
    pub fn require(&self) -> Result<(), StorageError> {
        if self.is_there() {
            return Ok(());
        }
        Err(StorageError::Unavailable("the storage that is there is not the hold's own".into()))
    }

    fn id(&self) -> Option<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.id.lock()
    }

    fn foreign(&self, marker: Marker) -> PresenceError {
        let (location, hold) = (self.0.location.clone(), marker.hold);
        if hold == self.0.hold {
            PresenceError::Left { location, hold }
        } else {
            PresenceError::Foreign { location, hold }
        }
    }

    fn fresh_marker(&self, id: String) -> Marker {
        Marker { hold: self.0.hold.clone(), id, before: Vec::new() }
    }

    async fn marker(&self) -> Result<Option<Marker>, PresenceError> {
        marker_in(&self.0.objects).await.map_err(|error| self.failed("read", error))
    }

    fn failed(&self, tried: &'static str, error: StorageError) -> PresenceError {
        PresenceError::Marker { tried, location: self.0.location.clone(), error }
    }

    /// Writes the marker, then the database: a database with an id and a storage without a marker would refuse the next
    /// start.
    async fn mark(&self, db: &Database, marker: Marker) -> Result<(), PresenceError> {
        if !self.0.marks.load(Ordering::Relaxed) {
            return Ok(());
        }
        let text = serde_json::to_vec(&marker).map_err(|error| StorageError::failed(error.to_string()))?;
        self.0.objects.put(MARKER, text).await.map_err(|error| self.failed("written", error))?;
        self.record(db, marker.id).await
    }

    async fn record(&self, db: &Database, id: String) -> Result<(), PresenceError> {
        let noted = id.clone();
        db.write(move |write| tables::put_storage_id(write, &noted)).await?;
        *self.lock() = Some(id);
        Ok(())
    }

    async fn is_migrated_to(&self, db: &Database) -> Result<bool, StorageError> {
        let location = db.read(tables::storage_migrated_to).await?;
        Ok(location.is_some_and(|location| location == self.0.location))
    }

    async fn has_blobs(&self) -> Result<bool, StorageError> {
        Ok(self.0.objects.list(BLOBS).try_next().await?.is_some())
    }

    /// Whether one of a sample of recorded blobs is in the storage, or no blob is recorded.
    async fn has_recorded_blobs(&self, db: &Database) -> Result<bool, StorageError> {
        let mut missing = 0;
        for first in 0..=u8::MAX {
            for row in db.read(move |read| tables::blobs_of(read, first)).await?.iter().take(SAMPLE - missing) {
                if self.0.objects.stat(&blob_key(&row.digest)).await?.is_some() {
                    return Ok(true);
                }
                missing += 1;
            }
            if missing == SAMPLE {
                break;
            }
        }
        Ok(missing == 0)
    }
}

async fn marker_in(objects: &Objects) -> Result<Option<Marker>, StorageError> {
    let Some(object) = objects.open_object(MARKER).await? else { return Ok(None) };
    let size_bytes = object.size_bytes().min(MAX_MARKER_BYTES);
    let bytes = object.stream(0..size_bytes).try_collect::<Vec<_>>().await?.concat();
    let unreadable = |_| Marker { hold: "no hold".into(), id: String::new(), before: Vec::new() };
    Ok(Some(serde_json::from_slice(&bytes).unwrap_or_else(unreadable)))
}
