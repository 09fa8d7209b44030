//! Revisions that are ahead of the clock.

use atcr_hold::pds::RecordWrite;

use crate::support::repo_home::{RepoHome, START_US, change, note};

const MINUTE_US: u64 = 60 * 1_000_000;

#[tokio::test]
async fn a_revision_that_relays_refuse_is_told() {
    let home = RepoHome::new();
    home.commit(START_US, vec![change("com.example.note/a", RecordWrite::Create(note("a")))]).await.unwrap();
    let head = home.pds.head().await.unwrap().unwrap();
    assert_eq!(head.ahead_s(START_US), None);
    assert_eq!(head.ahead_s(START_US - 4 * MINUTE_US), None);
    assert_eq!(head.ahead_s(START_US - 60 * MINUTE_US), Some(3600));
}
