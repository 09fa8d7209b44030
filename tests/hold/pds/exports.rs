//! Exports beside each other, and the write-ahead log that they keep from beginning anew.

use std::time::Duration;

use atcr_hold::pds::{self, PdsError, RecordWrite};
use atproto::repo::cid;
use server::sqlite::Read;
use server::storage::StorageError;

use crate::support::repo_home::{RepoHome, START_US, change, note};

/// More than an export may leave in the log for another one to begin.
const WRITTEN_MB: u8 = 70;
/// A wait that takes longer fails its test.
const PATIENCE: Duration = Duration::from_secs(30);

async fn write_a_megabyte(home: &RepoHome, number: u8) {
    let bytes = vec![number; 1_000_000];
    let put = move |write: &server::sqlite::Write<'_>| {
        pds::tables::put_record_blob(write, &cid::raw_of(&bytes), "image/png", &bytes, START_US)
    };
    home.database.write(put).await.unwrap();
}

#[tokio::test]
async fn no_export_begins_beside_another_that_keeps_a_long_log() {
    let home = RepoHome::new();
    // More than waits for a reader.
    for number in 0..6 {
        let large = note(&number.to_string().repeat(900_000));
        let change = change(&format!("com.example.note/{number}"), RecordWrite::Create(large));
        home.commit(START_US, vec![change]).await.unwrap();
    }
    // Nobody reads it, so it holds its snapshot.
    let slow = home.pds.export(None).await.unwrap().unwrap();
    let beside = home.pds.export(None).await.unwrap().unwrap();
    for number in 0..WRITTEN_MB {
        write_a_megabyte(&home, number).await;
    }
    assert!(matches!(home.pds.export(None).await, Err(PdsError::TooManyExports)));
    drop((slow, beside));
    // Their threads end when they next send; then one may begin, whatever the log has.
    let begun = loop {
        match home.pds.export(None).await {
            Err(PdsError::TooManyExports) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            begun => break begun,
        }
    };
    assert!(begun.unwrap().is_some());
    assert!(home.database.sizes().await.unwrap().log_bytes < 1_000_000, "it begins with an empty log");
}

#[tokio::test]
async fn an_operator_exports_beside_all_readers_of_the_api_and_does_not_wait_for_ever() {
    let home = RepoHome::new();
    for number in 0..6 {
        let large = note(&number.to_string().repeat(900_000));
        let change = change(&format!("com.example.note/{number}"), RecordWrite::Create(large));
        home.commit(START_US, vec![change]).await.unwrap();
    }
    let begin = async || tokio::time::timeout(PATIENCE, home.pds.export(None)).await.expect("an answer");
    // As many as the API admits, and nobody reads them.
    let mut slow = Vec::new();
    for _ in 0..4 {
        slow.push(begin().await.unwrap());
    }
    slow.push(begin().await.unwrap());
    assert!(matches!(begin().await, Err(PdsError::TooManyExports)));
}

#[tokio::test]
async fn no_export_begins_alone_with_a_long_log_that_somebody_else_holds() {
    let home = RepoHome::new();
    home.commit(START_US, vec![change("com.example.note/a", RecordWrite::Create(note("a")))]).await.unwrap();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = tokio::sync::oneshot::channel();
    let database = home.database.clone();
    let holder = tokio::spawn(async move {
        let job = move |read: &Read<'_>| {
            pds::tables::repo_head(read)?;
            begin.send(()).unwrap();
            // Until the other end is dropped.
            let _ = released.recv();
            Ok::<_, StorageError>(())
        };
        database.snapshot(job).await
    });
    begun.await.unwrap();
    for number in 0..WRITTEN_MB {
        write_a_megabyte(&home, number).await;
    }
    assert!(matches!(home.pds.export(None).await, Err(PdsError::TooManyExports)));
    drop(release);
    holder.await.unwrap().unwrap();
    assert!(home.pds.export(None).await.unwrap().is_some());
    assert!(home.database.sizes().await.unwrap().log_bytes < 1_000_000);
}
