//! Bounds of one commit: writes, bytes of a record, bytes of an event.

use atcr_hold::pds::{MAX_RECORD_BYTES, PdsError, RecordChange, RecordWrite};
use atproto::repo::cbor;

use crate::support::repo_home::consumer::Consumer;
use crate::support::repo_home::{RepoHome, START_US, change, note};

fn creations(count: usize) -> Vec<RecordChange> {
    (0..count).map(|n| change(&format!("com.example.note/{n}"), RecordWrite::Create(note("same")))).collect()
}

/// A record of exactly so many bytes.
fn record_of(bytes: usize) -> cbor::Ipld {
    let around = cbor::encode(&note(&"x".repeat(100_000))).unwrap().len() - 100_000;
    let record = note(&"x".repeat(bytes - around));
    assert_eq!(cbor::encode(&record).unwrap().len(), bytes);
    record
}

#[tokio::test]
async fn two_hundred_writes_fit_and_one_more_does_not() {
    let home = RepoHome::new();
    let refused = home.commit(START_US, creations(201)).await;
    assert!(matches!(refused, Err(PdsError::TooLarge(_))));
    assert!(home.pds.head().await.unwrap().is_none(), "not even a repository was made");
    home.commit(START_US, creations(200)).await.unwrap();
    let mut consumer = Consumer::new(&home);
    assert_eq!(consumer.catch_up(&home).await.last().unwrap().ops().len(), 200);
    let changes: Vec<_> =
        creations(200).into_iter().map(|creation| RecordChange { write: RecordWrite::Delete, ..creation }).collect();
    home.commit(START_US, changes).await.unwrap();
    consumer.catch_up(&home).await;
    assert!(consumer.records.is_empty());
}

#[tokio::test]
async fn a_record_of_a_million_bytes_fits_and_one_byte_more_does_not() {
    let home = RepoHome::new();
    let create = |name: &str, record| vec![change(&format!("com.example.note/{name}"), RecordWrite::Create(record))];
    home.commit(START_US, create("fits", record_of(MAX_RECORD_BYTES))).await.unwrap();
    let refused = home.commit(START_US, create("too-large", record_of(MAX_RECORD_BYTES + 1))).await;
    assert!(matches!(refused, Err(PdsError::TooLarge(_))));
    let mut consumer = Consumer::new(&home);
    consumer.catch_up(&home).await;
    assert_eq!(consumer.records.len(), 1);
}

#[tokio::test]
async fn an_event_has_at_most_two_million_bytes() {
    let home = RepoHome::new();
    home.commit(START_US, Vec::new()).await.unwrap();
    let before = home.head().await;
    let create = |name: &str, bytes| change(&format!("com.example.note/{name}"), RecordWrite::Create(record_of(bytes)));
    let two = |second| vec![create("first", MAX_RECORD_BYTES), create("second", second)];
    let refused = home.commit(START_US, two(MAX_RECORD_BYTES - 1)).await;
    assert!(matches!(refused, Err(PdsError::TooLarge(_))));
    assert_eq!(home.head().await, before);
    home.commit(START_US, two(MAX_RECORD_BYTES - 1_000)).await.unwrap();
    let events = Consumer::new(&home).catch_up(&home).await;
    let cbor::Ipld::Bytes(blocks) = events.last().unwrap().field("blocks") else { panic!("blocks are bytes") };
    assert!((1_999_000..=2_000_000).contains(&blocks.len()), "{}", blocks.len());
}
