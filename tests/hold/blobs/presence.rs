//! The marker of a storage: who gets one, and which storage is refused.

use atcr_hold::blobs::{BlobError, Presence, PresenceError};
use atcr_hold::objects::{Memory, Objects};
use atcr_hold::schema;
use atproto::syntax::Did;
use server::daemon::ClockSteps;
use server::sqlite::Database;
use server::storage::StorageError;
use tempfile::TempDir;

use crate::support::blob_hold::{Hold, NOW_US, digest};

const MARKER: &str = "docker/atcr-hold.json";

struct Home {
    _directory: TempDir,
    db: Database,
}

fn home() -> Home {
    let directory = TempDir::new().unwrap();
    let db = schema::open(&directory.path().join("hold.db")).unwrap();
    Home { _directory: directory, db }
}

async fn claim(home: &Home, memory: &Memory, location: &str) -> Result<(), PresenceError> {
    claim_with(home, memory, location, false).await
}

async fn claim_with(home: &Home, memory: &Memory, location: &str, is_new: bool) -> Result<(), PresenceError> {
    claim_as(home, memory, location, (is_new, "new")).await
}

async fn claim_as(
    home: &Home,
    memory: &Memory,
    location: &str,
    (is_new, new_id): (bool, &str),
) -> Result<(), PresenceError> {
    let hold = Did::parse("did:web:hold.example").unwrap();
    let objects = Objects::in_memory(memory);
    let presence = Presence::recorded(objects, location.into(), &hold, is_new, &home.db).await.unwrap();
    presence.claim(&home.db, new_id.into()).await
}

async fn record_blob(home: &Home, content: &'static [u8]) {
    let digest = digest(content);
    let size = content.len() as u64;
    let put = home.db.write(move |write| atcr_hold::blobs::tables::put_blob(write, &digest, size, NOW_US));
    put.await.unwrap_or_else(|error: StorageError| panic!("{error}"));
}

#[tokio::test]
async fn a_storage_is_marked_once_and_another_is_refused() {
    let (home, first) = (home(), Memory::default());
    claim(&home, &first, "first").await.unwrap();
    claim(&home, &first, "first").await.unwrap();
    assert!(Objects::in_memory(&first).stat(MARKER).await.unwrap().is_some());
    let other = claim(&home, &Memory::default(), "second").await;
    assert!(matches!(other, Err(PresenceError::Missing { .. })), "{other:?}");
    // A database that is older than the marker, and one of a first start that was cut off, know their hold's own storage.
    claim(&self::home(), &first, "first").await.unwrap();
    claim_with(&self::home(), &first, "first", true).await.unwrap();
    let foreign = Memory::default();
    foreign.put(MARKER, r#"{"hold":"did:web:other.example","id":"1"}"#).await.unwrap();
    let refused = claim(&self::home(), &foreign, "third").await.unwrap_err();
    assert!(refused.to_string().contains("did:web:other.example"), "{refused}");
}

#[tokio::test]
async fn a_new_database_does_not_get_a_storage_with_blobs_of_its_hold() {
    let (home, storage) = (home(), Memory::default());
    claim_with(&home, &storage, "first", true).await.unwrap();
    storage.put(&atcr_hold::blobs::blob_key(&digest(b"layer")), b"layer".as_slice()).await.unwrap();
    claim(&home, &storage, "first").await.unwrap();
    let refused = claim_with(&self::home(), &storage, "first", true).await;
    assert!(matches!(refused, Err(PresenceError::NewDatabase { .. })), "{refused:?}");
    // A backup from before the marker.
    claim(&self::home(), &storage, "first").await.unwrap();
}

#[tokio::test]
async fn a_hold_from_before_there_were_markers_is_marked_where_its_blobs_are() {
    let (home, full) = (home(), Memory::default());
    record_blob(&home, b"layer").await;
    let empty = claim(&home, &Memory::default(), "first").await;
    assert!(matches!(empty, Err(PresenceError::Missing { .. })), "{empty:?}");
    full.put(&atcr_hold::blobs::blob_key(&digest(b"layer")), b"layer".as_slice()).await.unwrap();
    claim(&home, &full, "first").await.unwrap();
}

#[tokio::test]
async fn where_everything_was_migrated_to_is_taken() {
    let home = home();
    claim(&home, &Memory::default(), "first").await.unwrap();
    Presence::migrated(&home.db, "second".into()).await.unwrap();
    let new = Memory::default();
    claim(&home, &new, "second").await.unwrap();
    claim(&home, &new, "second").await.unwrap();
    assert!(claim(&home, &Memory::default(), "third").await.is_err());
}

#[tokio::test]
async fn a_storage_that_was_left_is_refused_until_everything_was_migrated_back() {
    let (home, first, second) = (home(), Memory::default(), Memory::default());
    claim_as(&home, &first, "first", (false, "one")).await.unwrap();
    Presence::migrated(&home.db, "second".into()).await.unwrap();
    // It is left once the other one is used.
    claim_as(&home, &first, "first", (false, "two")).await.unwrap();
    claim_as(&home, &second, "second", (false, "two")).await.unwrap();
    for (left, location) in [(&first, "first"), (&second, "third")] {
        let refused = claim_as(&home, left, location, (false, "three")).await;
        let is_first = location == "first";
        assert_eq!(matches!(refused, Err(PresenceError::Left { .. })), is_first, "{location}: {refused:?}");
    }
    Presence::migrated(&home.db, "first".into()).await.unwrap();
    claim_as(&home, &second, "second", (false, "three")).await.unwrap();
    claim_as(&home, &first, "first", (false, "three")).await.unwrap();
    let refused = claim_as(&home, &second, "second", (false, "four")).await;
    assert!(matches!(refused, Err(PresenceError::Left { .. })), "{refused:?}");
    claim_as(&home, &first, "first", (false, "four")).await.unwrap();
}

#[tokio::test]
async fn a_backup_from_before_a_migration_knows_where_everything_went() {
    let (home, backup, second) = (home(), self::home(), Memory::default());
    for home in [&home, &backup] {
        claim_as(home, &Memory::default(), "first", (false, "one")).await.unwrap();
    }
    Presence::migrated(&home.db, "second".into()).await.unwrap();
    claim_as(&home, &second, "second", (false, "two")).await.unwrap();
    claim_as(&backup, &second, "second", (false, "three")).await.unwrap();
    claim_as(&home, &second, "second", (false, "three")).await.unwrap();
}

#[tokio::test]
async fn a_sweep_leaves_alone_what_lies_in_another_storage() {
    let (home, hold) = (home(), Hold::new().await);
    let (objects, did) = (Objects::open(&hold.root()).unwrap(), Did::parse("did:web:hold.example").unwrap());
    let presence = Presence::recorded(objects.clone(), "here".into(), &did, false, &home.db).await.unwrap();
    presence.adopt(&home.db, "own".into()).await.unwrap();
    let blobs = hold.blobs.clone().with_presence(presence.clone());
    let folder = hold.root().join("uploads/of another hold");
    std::fs::create_dir_all(&folder).unwrap();
    objects.put(MARKER, r#"{"hold":"did:web:other.example","id":"1"}"#).await.unwrap();
    presence.check().await.unwrap_err();
    let refused = blobs.sweep(NOW_US, &ClockSteps::default()).await;
    assert!(matches!(refused, Err(BlobError::Unavailable(_))), "{refused:?}");
    assert!(folder.exists());
    presence.adopt(&home.db, "own".into()).await.unwrap();
    assert_eq!(blobs.sweep(NOW_US, &ClockSteps::default()).await.unwrap().orphans, 1);
    assert!(!folder.exists());
}

#[tokio::test]
async fn the_target_of_a_migration_back_needs_its_marker_once_it_was_used() {
    let home = home();
    let first = Memory::default();
    claim(&home, &first, "first").await.unwrap();
    Presence::migrated(&home.db, "second".into()).await.unwrap();
    claim(&home, &Memory::default(), "second").await.unwrap();
    Presence::migrated(&home.db, "first".into()).await.unwrap();
    claim(&home, &first, "first").await.unwrap();
    // As when the disk is not mounted at the next start.
    let unmounted = claim(&home, &Memory::default(), "first").await;
    assert!(matches!(unmounted, Err(PresenceError::Missing { .. })), "{unmounted:?}");
}
