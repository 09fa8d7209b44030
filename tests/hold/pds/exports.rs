//! Exports beside each other, and the write-ahead log that they keep from beginning anew.

use atcr_hold::pds::{self, PdsError, Write};
use atproto::repo::cid;

use crate::support::repo_home::{RepoHome, START_US, change, note};

/// More than an export may leave in the log for another one to begin.
const WRITTEN_MB: u8 = 70;

#[tokio::test]
async fn no_export_begins_beside_another_that_keeps_a_long_log() {
    let home = RepoHome::new();
    // More than waits for a reader.
    for number in 0..6 {
        let large = note(&number.to_string().repeat(900_000));
        let change = change(&format!("com.example.note/{number}"), Write::Create(large));
        home.commit(START_US, vec![change]).await.unwrap();
    }
    // Nobody reads it, so it holds its snapshot.
    let slow = home.pds.export(None).await.unwrap().unwrap();
    let beside = home.pds.export(None).await.unwrap().unwrap();
    for number in 0..WRITTEN_MB {
        let bytes = vec![number; 1_000_000];
        let put = move |write: &server::sqlite::Write<'_>| {
            pds::tables::put_record_blob(write, &cid::raw_of(&bytes), "image/png", &bytes, START_US)
        };
        home.database.write(put).await.unwrap();
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
}
