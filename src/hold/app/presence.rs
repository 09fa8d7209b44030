//! Checks that the storage is the hold's own: at the start, in commands, and periodically while the hold runs.

use std::sync::Arc;
use std::time::Duration;

use super::storage_lock::{StorageLock, check_bucket};
use super::{StartError, StorageUse, bucket};
use crate::blobs::{BlobPlace, Presence, PresenceError, random_hex};
use crate::config::Config;
use crate::objects::Objects;
use crate::schema;
use server::daemon::StatusLine;
use server::sqlite::Database;
use server::storage::StorageError;

/// Intervals of checks: of a directory, where they cost little, and of a bucket, where each request has its price.
const DIRECTORY_EVERY: Duration = Duration::from_secs(5);
const BUCKET_EVERY: Duration = Duration::from_secs(60);

/// Checks the storage at `place`, and writes its marker when it has none yet and may be marked. `is_new`: the database
/// has no repository yet. Only the daemon asks a bucket now.
///
/// # Errors
/// [`StartError::Presence`]
pub(super) async fn open(
    config: &Config,
    place: &BlobPlace,
    database: &Database,
    is_new: bool,
    purpose: StorageUse,
    lock: &StorageLock,
) -> Result<Presence, StartError> {
    let presence = recorded(config, place, is_new, database).await?;
    if !lock.may_mark(purpose) {
        presence.never_mark();
    }
    if purpose == StorageUse::Serve || matches!(place, BlobPlace::Directory(_)) {
        presence.claim(database, random_hex::<16>()?).await?;
    }
    Ok(presence)
}

/// Marks the storage at its place as the hold's own, while no daemon has the hold.
///
/// # Errors
/// As [`super::open`].
pub async fn adopt_storage(config: &Config) -> Result<(), StartError> {
    let place = bucket::place(config)?;
    if !config.database_path.exists() {
        return Err(StartError::NoDatabase(config.database_path.clone()));
    }
    let database = schema::open(&config.database_path)?;
    check_bucket(config, &place, StorageUse::Change).await?;
    let _lock = StorageLock::take(&place, StorageUse::Change).await.keep(config, StorageUse::Change)?;
    let presence = recorded(config, &place, false, &database).await?;
    Ok(presence.adopt(&database, random_hex::<16>()?).await?)
}

/// Checks the storage for as long as the hold runs: blobs are refused while it is not the hold's own. `status` shows
/// the reason.
pub(super) async fn keep(presence: Presence, in_bucket: bool, status: Arc<StatusLine>) {
    let mut was_silent = false;
    let mut ticks = tokio::time::interval(if in_bucket { BUCKET_EVERY } else { DIRECTORY_EVERY });
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let was_there = presence.is_there();
        let outcome = presence.check().await;
        let silence = match &outcome {
            Err(PresenceError::Marker { error, .. } | PresenceError::Storage(error)) => {
                Some(format!("the storage does not answer: {error}"))
            }
            _ => None,
        };
        let is_silent = silence.is_some();
        match (&silence, was_silent) {
            (Some(words), false) => tracing::warn!("{words}"),
            (None, true) => tracing::info!("the storage answers again"),
            _ => {}
        }
        was_silent = is_silent;
        match (&outcome, was_there) {
            (Ok(()), false) => tracing::info!("the storage is back; blobs are served again"),
            (Err(error), true) if !is_silent => {
                tracing::error!(%error, "blobs are refused with 503 until the storage is back");
            }
            _ => {}
        }
        let refused = || outcome.err().map(|error| format!("blobs are refused with 503: {error}"));
        status.trouble(silence.or_else(refused));
    }
}

async fn recorded(
    config: &Config,
    place: &BlobPlace,
    is_new: bool,
    database: &Database,
) -> Result<Presence, StorageError> {
    let objects = match place {
        BlobPlace::Directory(root) => Objects::open(root)?,
        BlobPlace::Bucket { bucket, .. } => Objects::in_bucket(bucket.clone()),
    };
    let location = config.storage.to_string();
    Presence::recorded(objects, location, &config.did, is_new, database).await
}
