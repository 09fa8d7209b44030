//! Members' DID documents in the database: of accounts that may do something here, with their age.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use atcr_hold::crew::DocumentTable;
use server::identity::KeptDocuments as _;

use super::{A_DAY_US, Started};
use crate::support::did_server::plc;
use crate::support::repo_home::START_US;

const AN_HOUR_US: u64 = A_DAY_US / 24;

static NOW_US: AtomicU64 = AtomicU64::new(START_US);

fn now_us() -> u64 {
    NOW_US.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_document_of_crew_is_kept_for_a_day_and_over_a_restart() {
    let mut started = Started::new(|_| {}).await;
    let (captain, stranger) = (plc(1), plc(2));
    let table = DocumentTable::new(started.home.pds.clone(), now_us);
    let settle = async |started: &Started| {
        tokio::task::yield_now().await;
        started.home.database.settle().await;
        // What was written lets its handle go.
        tokio::task::yield_now().await;
    };
    for (did, document) in [(&captain, "first"), (&captain, "second"), (&stranger, "stranger")] {
        table.keep(did, document.into(), Duration::from_mins(1));
        settle(&started).await;
    }
    drop(table);
    started = started.with_mutable_crew(true);

    let table = DocumentTable::new(started.home.pds.clone(), now_us);
    NOW_US.fetch_add(AN_HOUR_US, Ordering::SeqCst);
    assert_eq!(table.recall(&captain).await, Some(("second".into(), Duration::from_mins(61))));
    assert_eq!(table.recall(&stranger).await, None, "it may do nothing here");
    NOW_US.fetch_add(23 * AN_HOUR_US, Ordering::SeqCst);
    assert_eq!(table.recall(&captain).await, None, "a day old");

    table.keep(&captain, "third".into(), Duration::ZERO);
    settle(&started).await;
    NOW_US.fetch_sub(1, Ordering::SeqCst);
    assert_eq!(table.recall(&captain).await, None, "read in the future, so of unknown age");
    NOW_US.fetch_add(1, Ordering::SeqCst);
    assert!(table.recall(&captain).await.is_some());
    table.forget(&captain);
    settle(&started).await;
    assert_eq!(table.recall(&captain).await, None);
}
