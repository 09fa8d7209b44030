//! Holds, domains and PDSes that do not answer the index.

use std::sync::atomic::{AtomicU64, Ordering};

use atcr_appview::index::{Change, Index, IndexLimits, RecordOf};
use atcr_appview::schema;
use atproto::syntax::Did;
use tempfile::TempDir;

use crate::index::image;
use crate::support::did_server::plc;

const HOLD: &str = "did:web:hold.example.org";

#[tokio::test]
async fn who_does_not_answer_is_asked_less_and_less() {
    static LATER: AtomicU64 = AtomicU64::new(1_800_000_000_000_000);
    const FIVE_MINUTES_US: u64 = 5 * 60 * 1_000_000;
    let folder = TempDir::new().unwrap();
    let database = schema::open(&folder.path().join("appview.db")).unwrap();
    let index = Index::new(database, IndexLimits::of_total(1000), || LATER.load(Ordering::Relaxed));
    let (alice, hold) = (plc(2), Did::parse(HOLD).unwrap());
    index.take(image(&alice, "app", "v1", HOLD, ""), None).await.unwrap();
    index.take(vec![Change { account: alice.clone(), of: RecordOf::List }], None).await.unwrap();
    let mut pauses = Vec::new();
    for _ in 0..12 {
        index.handle_said(&alice, Err(())).await.unwrap();
        index.hold_said(&hold, None).await.unwrap();
        index.not_listed(&alice, true).await.unwrap();
        let mut waited = [0_u64; 3];
        for step in 1.. {
            LATER.fetch_add(FIVE_MINUTES_US, Ordering::Relaxed);
            let is_due = [
                !index.due_handles(9).await.unwrap().is_empty(),
                !index.due_holds(9).await.unwrap().is_empty(),
                !index.due_lists(9).await.unwrap().is_empty(),
            ];
            for (waited, is_due) in waited.iter_mut().zip(is_due) {
                *waited = if is_due && *waited == 0 { 5 * step } else { *waited };
            }
            if waited.iter().all(|waited| *waited > 0) {
                break;
            }
        }
        pauses.push(waited);
    }
    assert_eq!(pauses[..4], [[5, 5, 5], [10, 10, 10], [20, 20, 20], [40, 40, 40]]);
    // No later than who answers.
    assert_eq!(pauses[11], [24 * 60, 60, 24 * 60]);
    index.handle_said(&alice, Ok(None)).await.unwrap();
    LATER.fetch_add(24 * 12 * FIVE_MINUTES_US, Ordering::Relaxed);
    index.handle_said(&alice, Err(())).await.unwrap();
    LATER.fetch_add(FIVE_MINUTES_US, Ordering::Relaxed);
    assert_eq!(index.due_handles(9).await.unwrap(), [alice], "an answer ends it");
}
