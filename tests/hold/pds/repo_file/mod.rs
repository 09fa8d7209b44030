//! Export, import and verify of whole repositories.

mod refusals;
mod round_trip;
mod verify;

use atcr_hold::pds::RecordWrite;

use crate::support::did_server::plc;
use crate::support::repo_home::file::exported;
use crate::support::repo_home::{RepoHome, START_US, change, declared, note};

const A_SECOND_US: u64 = 1_000_000;

/// A hold of the first account with `records` notes besides what its configuration makes.
async fn with_notes(records: usize) -> RepoHome {
    let home = RepoHome::new();
    home.crew.reconcile(&declared(&home, &plc(1)), START_US).await.unwrap();
    let changes: Vec<_> = (0..records)
        .map(|n| change(&format!("com.example.note/n{n}"), RecordWrite::Create(note(&n.to_string()))))
        .collect();
    for batch in changes.chunks(200) {
        home.commit(START_US + A_SECOND_US, batch.to_vec()).await.unwrap();
    }
    home
}

/// The same as a file.
async fn file_with_notes(records: usize) -> Vec<u8> {
    exported(&with_notes(records).await.pds).await
}

/// A hold that was started once, a minute after the one above was used.
async fn fresh() -> RepoHome {
    let home = RepoHome::new();
    home.crew.reconcile(&declared(&home, &plc(1)), START_US + 60 * A_SECOND_US).await.unwrap();
    home
}
