//! Blobs over time: waiting ones go, referenced ones survive a restart and are in a backup, and an imported record may
//! refer to one that is not here.

use std::time::{Duration, Instant};

use atcr_hold::pds;
use atcr_hold::pds::{BlobsQuery, NewBlob, PdsError, RecordWrite};
use atproto::repo::{BlobRef, cbor};
use atproto::syntax::{MediaType, Tid};
use serde_json::json;
use server::daemon::ClockSteps;
use server::storage::StorageError;

use super::PNG;
use crate::support::repo_home::{RepoHome, START_US, change};

const HOUR_US: u64 = 3_600_000_000;
const PATH: &str = "com.example.note/one";

fn blob(kind: &str, bytes: &'static [u8]) -> NewBlob {
    NewBlob::new(&MediaType::parse(kind).unwrap(), bytes.into())
}

fn record(text: &str, blob: &BlobRef) -> cbor::Ipld {
    let blob = cbor::to_json(&blob.to_ipld());
    cbor::from_json(&json!({ "$type": "com.example.note", "text": text, "picture": blob })).unwrap()
}

async fn is_served(home: &RepoHome, blob: &BlobRef) -> bool {
    home.pds.published_blob(blob.cid).await.unwrap().is_some()
}

async fn listed(home: &RepoHome) -> Vec<atproto::repo::Cid> {
    home.pds.list_blobs(BlobsQuery { since: None, cursor: None, limit: 10 }).await.unwrap().cids
}

#[tokio::test]
async fn what_no_record_takes_up_goes_after_an_hour() {
    let home = RepoHome::new();
    let first = home.pds.upload_blob(blob("image/png", PNG), START_US).await.unwrap();
    // Uploaded again, it waits anew.
    home.pds.upload_blob(blob("image/png", PNG), START_US + HOUR_US / 2).await.unwrap();
    assert_eq!(home.pds.sweep_blobs(START_US + HOUR_US + 1, &ClockSteps::default()).await.unwrap(), 0);
    assert_eq!(home.pds.sweep_blobs(START_US + HOUR_US / 2 + HOUR_US + 1, &ClockSteps::default()).await.unwrap(), 1);
    let refused = home.commit(START_US + 2 * HOUR_US, vec![change(PATH, RecordWrite::Put(record("x", &first)))]).await;
    assert!(matches!(refused, Err(PdsError::BlobRef(_))), "{refused:?}");
}

#[tokio::test]
async fn a_clock_that_is_set_ahead_takes_none_that_a_record_is_on_its_way_for() {
    let (home, steps, begun) = (RepoHome::new(), ClockSteps::default(), Instant::now());
    steps.look(START_US, begun);
    home.pds.upload_blob(blob("image/png", PNG), START_US).await.unwrap();
    for (passed_us, swept) in [(1, 0), (HOUR_US, 0), (HOUR_US + 1, 1)] {
        let clock_us = START_US + 48 * HOUR_US + passed_us;
        steps.look(clock_us, begun + Duration::from_micros(passed_us));
        assert_eq!(home.pds.sweep_blobs(clock_us, &steps).await.unwrap(), swept, "after {passed_us} us");
    }
}

#[tokio::test]
async fn one_of_a_clock_that_was_ahead_goes_an_hour_after_it_was_right_again() {
    let home = RepoHome::new();
    home.pds.upload_blob(blob("image/png", PNG), START_US + 10_000 * HOUR_US).await.unwrap();
    assert_eq!(home.pds.sweep_blobs(START_US, &ClockSteps::default()).await.unwrap(), 0);
    assert_eq!(home.pds.sweep_blobs(START_US + HOUR_US, &ClockSteps::default()).await.unwrap(), 0);
    assert_eq!(home.pds.sweep_blobs(START_US + HOUR_US + 1, &ClockSteps::default()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_referenced_blob_stays_with_its_type_over_sweep_upload_and_restart() {
    let mut home = RepoHome::new();
    let png = home.pds.upload_blob(blob("image/png", PNG), START_US).await.unwrap();
    home.commit(START_US, vec![change(PATH, RecordWrite::Put(record("x", &png)))]).await.unwrap();
    assert_eq!(home.pds.sweep_blobs(START_US + 100 * HOUR_US, &ClockSteps::default()).await.unwrap(), 0);
    let again = home.pds.upload_blob(blob("text/html", PNG), START_US).await.unwrap();
    assert_eq!(again, png, "the type of a published blob does not change under its record");
    home = home.reopen(true);
    let read = home.pds.published_blob(png.cid).await.unwrap().unwrap();
    assert_eq!((read.media_type.as_str(), read.bytes.as_ref()), ("image/png", PNG));
}

#[tokio::test]
async fn all_readers_of_a_blob_share_one_copy() {
    let home = RepoHome::new();
    let png = home.pds.upload_blob(blob("image/png", PNG), START_US).await.unwrap();
    home.commit(START_US, vec![change(PATH, RecordWrite::Put(record("x", &png)))]).await.unwrap();
    let read = || async { home.pds.published_blob(png.cid).await.unwrap().unwrap().bytes };
    let (one, two) = (read().await, read().await);
    assert_eq!((one.as_ref(), one.as_ptr()), (PNG, two.as_ptr()));
}

#[tokio::test]
async fn a_backup_of_the_database_has_the_blobs() {
    let home = RepoHome::new();
    let png = home.pds.upload_blob(blob("image/png", PNG), START_US).await.unwrap();
    home.commit(START_US, vec![change(PATH, RecordWrite::Put(record("x", &png)))]).await.unwrap();
    let backup = home.directory().join("backup.db");
    let source = rusqlite::Connection::open(home.directory().join("hold.db")).unwrap();
    source.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    let restored = rusqlite::Connection::open(backup).unwrap();
    let sql = "SELECT bytes FROM record_blob JOIN blob_reference USING (cid) WHERE rkey = 'one'";
    let bytes: Vec<u8> = restored.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(bytes, PNG);
}

#[tokio::test]
async fn a_record_may_be_imported_without_its_blob() {
    let home = RepoHome::new();
    let png = blob("image/png", PNG);
    let reference = png.reference.clone();
    // As an import leaves it: the record, its reference, no bytes.
    home.pds.upload_blob(png.clone(), START_US).await.unwrap();
    home.commit(START_US, vec![change(PATH, RecordWrite::Put(record("x", &reference)))]).await.unwrap();
    let sql = "UPDATE record_blob SET bytes = NULL";
    rusqlite::Connection::open(home.directory().join("hold.db")).unwrap().execute(sql, []).unwrap();

    assert_eq!(listed(&home).await, [reference.cid]);
    assert!(!is_served(&home, &reference).await);
    // The record can be changed beside the blob, but no other can begin to refer to it.
    home.commit(START_US, vec![change(PATH, RecordWrite::Put(record("y", &reference)))]).await.unwrap();
    let other = change("com.example.note/two", RecordWrite::Put(record("z", &reference)));
    let refused = home.commit(START_US, vec![other.clone()]).await;
    assert!(matches!(refused, Err(PdsError::BlobRef(_))), "{refused:?}");
    // The upload heals it, and keeps the type that the record says.
    let healed = home.pds.upload_blob(blob("text/html", PNG), START_US).await.unwrap();
    assert_eq!(healed, reference);
    assert!(is_served(&home, &reference).await);
    home.commit(START_US, vec![other]).await.unwrap();
    home.commit(START_US, vec![change(PATH, RecordWrite::Delete)]).await.unwrap();
    assert!(is_served(&home, &reference).await);
    home.commit(START_US, vec![change("com.example.note/two", RecordWrite::Delete)]).await.unwrap();
    assert!(listed(&home).await.is_empty());
}

#[tokio::test]
async fn a_reference_makes_the_row_of_a_blob_that_is_not_here() {
    let home = RepoHome::new();
    let reference = blob("image/png", PNG).reference;
    let cid = reference.cid;
    let rev = Tid::next(START_US, 1, None);
    let job = move |write: &server::sqlite::Write<'_>| {
        pds::tables::put_blob_reference(write, &cid, "image/png", "com.example.note", "one", &rev)
    };
    home.database.write::<(), StorageError, _>(job).await.unwrap();
    assert_eq!(listed(&home).await, [cid]);
    assert!(!is_served(&home, &reference).await);
}
