//! Checks that the storage is the hold's own.
//!
//! A marker, a small object beside the blobs, names the hold and has an id that the hold's database has too. A directory
//! whose disk is not mounted has no marker; the bucket of another hold has another one. Without this check such a hold
//! answers 404 for what it has, takes uploads onto the wrong disk, and `storage verify --repair` forgets every blob.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};

use super::names::blob_key;
use super::tables;
use crate::objects::Objects;
use atproto::syntax::Did;
use server::sqlite::Database;
use server::storage::StorageError;

/// Beside the folder of the blobs, so that a copy of all blobs has it too.
const MARKER: &str = "docker/atcr-hold.json";
/// Nothing that is longer is read as a marker.
const MAX_MARKER_BYTES: u64 = 4096;
/// Recorded blobs that are looked for in a storage without a marker.
const SAMPLE: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    hold: String,
    id: String,
}

/// Why the storage is not the hold's own. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PresenceError {
    /// The storage has no marker, and should have one.
    #[error(
        "the storage {location} is not the one this hold used: {MARKER} is missing there, as when a disk is not mounted or a \
         bucket was emptied; mount it, or correct [storage]; if it is right as it is, run `atcr-hold storage adopt`"
    )]
    Missing {
        /// Where it was looked for.
        location: String,
    },
    /// The storage has the marker of another hold, or of another storage of this one.
    #[error(
        "the storage {location} is not the one this hold used: its {MARKER} names {hold}, with another id; mount the right \
         disk, or correct [storage]; if it is right as it is, run `atcr-hold storage adopt`"
    )]
    Foreign {
        /// Where it was found.
        location: String,
        /// The DID of the hold that it names.
        hold: String,
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
    /// As people name it.
    location: String,
    hold: String,
    /// Of the marker; `None` while the storage was never marked.
    id: Mutex<Option<String>>,
    is_there: AtomicBool,
}

impl Presence {
    /// Reads what the database knows of the marker in `objects`, the storage of `hold`. Sends no request to the
    /// storage.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recorded(objects: Objects, location: String, hold: &Did, db: &Database) -> Result<Self, StorageError> {
        let id = db.read(tables::storage_id).await?;
        let inner = Inner { objects, location, hold: hold.to_string(), id: Mutex::new(id), is_there: true.into() };
        Ok(Self(Arc::new(inner)))
    }

    /// Checks the marker, and marks a storage that was never marked, with `new_id`: of a new hold, of one from before
    /// there were markers, or where a migration copied every blob to.
    ///
    /// # Errors
    /// [`PresenceError`]; nothing was changed.
    pub async fn claim(&self, db: &Database, new_id: String) -> Result<(), PresenceError> {
        let marker = self.marker().await?;
        match (self.id(), marker) {
            (Some(id), Some(marker)) if marker.id == id => Ok(()),
            // The database is a copy from before the storage was marked, or was made anew.
            (None, Some(marker)) if marker.hold == self.0.hold => self.record(db, marker.id).await,
            (_, Some(marker)) => Err(self.foreign(marker)),
            (Some(id), None) if self.is_migrated_to(db).await? => self.mark(db, id).await,
            (None, None) if self.has_recorded_blobs(db).await? => {
                tracing::info!(storage = self.0.location, "the storage is marked as this hold's own");
                self.mark(db, new_id).await
            }
            (_, None) => Err(PresenceError::Missing { location: self.0.location.clone() }),
        }
    }

    /// Marks the storage as the hold's own whatever it was, with `new_id`.
    ///
    /// # Errors
    /// [`PresenceError::Storage`]: it is as it was, or may be adopted again.
    pub async fn adopt(&self, db: &Database, new_id: String) -> Result<(), PresenceError> {
        self.mark(db, new_id).await?;
        self.0.is_there.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Notes that a migration copied every blob to the storage of this name: it may be used without a marker.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn migrated(db: &Database, location: String) -> Result<(), StorageError> {
        db.write(move |write| tables::put_storage_migrated_to(write, &location)).await
    }

    /// Reads the marker, and remembers until the next check whether it is the right one.
    ///
    /// # Errors
    /// [`PresenceError`]. When the storage does not answer, what was remembered stays.
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

    /// Like [`Presence::is_there`], as a result.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`]
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
        self.0.id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn foreign(&self, marker: Marker) -> PresenceError {
        PresenceError::Foreign { location: self.0.location.clone(), hold: marker.hold }
    }

    async fn marker(&self) -> Result<Option<Marker>, StorageError> {
        let Some(object) = self.0.objects.open_object(MARKER).await? else { return Ok(None) };
        let size_bytes = object.size_bytes().min(MAX_MARKER_BYTES);
        let bytes = object.stream(0..size_bytes).try_collect::<Vec<_>>().await?.concat();
        let unreadable = |_| Marker { hold: "no hold".into(), id: String::new() };
        Ok(Some(serde_json::from_slice(&bytes).unwrap_or_else(unreadable)))
    }

    /// The marker first: a database with an id and a storage without one would refuse the next start.
    async fn mark(&self, db: &Database, id: String) -> Result<(), PresenceError> {
        let marker = Marker { hold: self.0.hold.clone(), id: id.clone() };
        let text = serde_json::to_vec(&marker).map_err(|error| StorageError::failed(error.to_string()))?;
        self.0.objects.put(MARKER, text).await?;
        self.record(db, id).await
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

    /// Whether one of some recorded blobs is there, or none is recorded.
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
