//! Holds, domains and PDSes that do not answer the index.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use atcr_appview::index::{Change, ChangeKind, DueHandle, Index, IndexLimits};
use atcr_appview::schema;
use atproto::syntax::Did;
use serde_json::json;
use tempfile::TempDir;

use crate::asked::Asked as _;
use crate::index::image;
use crate::oci::registry::Registry;
use crate::support::did_server::{Reply, document, plc};

const HOLD: &str = "did:web:hold.example.org";

#[tokio::test]
async fn who_does_not_answer_is_asked_less_and_less() {
    static LATER: AtomicU64 = AtomicU64::new(1_800_000_000_000_000);
    const FIVE_MINUTES_US: u64 = 5 * 60 * 1_000_000;
    let folder = TempDir::new().unwrap();
    let database = schema::open(&folder.path().join("appview.db")).unwrap();
    let index = Index::new(database, IndexLimits::of_total(1000), || LATER.load(Ordering::Relaxed));
    let (alice, hold) = (plc(2), Did::parse(HOLD).unwrap());
    index.apply(image(&alice, "app", "v1", HOLD, ""), None).await.unwrap();
    index.apply(vec![Change { account: alice.clone(), kind: ChangeKind::List }], None).await.unwrap();
    let mut pauses = Vec::new();
    for _ in 0..12 {
        index.set_handle(&alice, Err(()), u64::MAX >> 1).await.unwrap();
        index.set_hold_is_public(&hold, None, u64::MAX >> 1).await.unwrap();
        index.listing_failed(&alice, Duration::ZERO).await.unwrap();
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
    index.set_handle(&alice, Ok(None), u64::MAX >> 1).await.unwrap();
    LATER.fetch_add(24 * 12 * FIVE_MINUTES_US, Ordering::Relaxed);
    index.set_handle(&alice, Err(()), u64::MAX >> 1).await.unwrap();
    LATER.fetch_add(FIVE_MINUTES_US, Ordering::Relaxed);
    let due = index.due_handles(9).await.unwrap();
    assert_eq!(due, [DueHandle { account: alice, is_first: false }], "an answer ends it");
}

#[tokio::test]
async fn a_pds_that_asks_for_time_gets_it_for_all_its_accounts_within_bounds() {
    let mut registry = Registry::start([("UNRELATED", "1")]).await;
    let here = format!("http://localhost:{}", registry.network.port);
    let busy = "HTTP/1.1 429 X\r\nRetry-After: 7200\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (mut paths, mut due) = (Vec::new(), String::new());
    for number in 2..8 {
        let (did, mut published) = (plc(number.into()), document(&plc(number.into()), number));
        published["service"] =
            json!([{ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": here }]);
        registry.network.publish(&did, &published);
        let repo = did.as_str().replace(':', "%3A");
        let path = format!("/xrpc/com.atproto.repo.listRecords?repo={repo}&collection=io.atcr.manifest&limit=100");
        registry.network.set(&path, Reply::Raw(busy.into()));
        paths.push(path);
        due += &format!("INSERT INTO index_account (did, list_us) VALUES ('{did}', 1);");
    }
    registry.restart_after(&due).await;
    let database = rusqlite::Connection::open(registry.database()).unwrap();
    // Those that came too late are listed with the others, and not a few minutes from now.
    let sql = "SELECT count(*) FROM index_account WHERE list_us > (unixepoch() + 6000) * 1000000";
    while database.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap() < 6 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked: usize = paths.iter().map(|path| registry.network.requests_of(path)).sum();
    assert!((1..=2).contains(&asked), "two are listed at once: {asked}");
}

#[tokio::test]
async fn who_asks_for_more_than_a_day_gets_a_day() {
    static LATER: AtomicU64 = AtomicU64::new(1_800_000_000_000_000);
    let folder = TempDir::new().unwrap();
    let database = schema::open(&folder.path().join("appview.db")).unwrap();
    let index = Index::new(database, IndexLimits::of_total(1000), || LATER.load(Ordering::Relaxed));
    let alice = plc(2);
    index.apply(vec![Change { account: alice.clone(), kind: ChangeKind::List }], None).await.unwrap();
    for asked in [Duration::MAX, Duration::from_secs(u64::MAX)] {
        index.listing_failed(&alice, asked).await.unwrap();
        LATER.fetch_add(24 * 60 * 60 * 1_000_000 - 1, Ordering::Relaxed);
        assert_eq!(index.due_lists(9).await.unwrap(), []);
        LATER.fetch_add(1, Ordering::Relaxed);
        assert_eq!(index.due_lists(9).await.unwrap(), std::slice::from_ref(&alice));
    }
}
