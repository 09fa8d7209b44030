//! What a collection leaves alone although nothing names it, and when it does nothing at all.

use std::sync::atomic::{AtomicU64, Ordering};

use atcr_hold::blobs::{self, DigestLock};
use atcr_hold::images::{Reconciled, UnaskedAccount};
use atcr_hold::upkeep::{CollectOptions, Upkeep, UpkeepError};

use super::{Stock, digest, forced, key, name, now_us, room, upload};
use crate::support::blob_hold::{alice, content};

#[tokio::test]
async fn more_than_half_of_everything_goes_only_by_force() {
    let stock = Stock::in_directory().await;
    let kept = stock.put_blob(b"kept").await;
    name(&stock.db, kept, false).await;
    for seed in 0..2 {
        stock.put_blob(&content(seed, 100)).await;
    }
    let preview = stock.upkeep.collect(CollectOptions { dry_run: true, ..CollectOptions::default() }, |_, _| {});
    assert!(preview.await.unwrap().needs_force);
    let refused = stock.upkeep.collect(CollectOptions::default(), |_, _| {}).await.unwrap_err();
    assert!(matches!(refused, UpkeepError::Brake { garbage: 2, all: 3 }), "{refused}");
    assert_eq!(stock.verify(false).await.right, 3, "nothing went");
    assert_eq!(stock.upkeep.collect(forced(false), |_, _| {}).await.unwrap().garbage.count, 2);
}

#[tokio::test]
async fn a_storage_that_a_repair_adopted_is_no_garbage() {
    let stock = Stock::in_directory().await;
    let found = digest(b"of a lost database");
    stock.put(&key(&found), b"of a lost database").await;
    stock.put_blob(b"garbage").await;
    assert_eq!(stock.verify(true).await.findings.repaired, 1);
    let clock_later = stock.upkeep.clone().with_grace(std::time::Duration::ZERO);
    let wait = std::time::Duration::from_millis(50);
    tokio::time::sleep(wait).await;
    let collected = clock_later.collect(forced(false), |_, _| {}).await.unwrap();
    assert_eq!((collected.garbage.count, collected.found.count), (1, 1));
    assert_eq!(stock.recorded(found).await, Some(18));
}

#[tokio::test]
async fn what_could_be_of_an_account_that_was_not_asked_stays() {
    let stock = Stock::in_directory().await;
    let (blobs, upkeep) = room(&stock.root(), &stock.db).await;
    let upkeep = upkeep.with_grace(std::time::Duration::ZERO);
    upload(&blobs, b"uploaded by alice").await;
    let uploaded = digest(b"uploaded by alice");
    // From before uploaders were written down: it could be anybody's.
    let nobodys = stock.put_blob(b"nobody's").await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let unasked = |did: atproto::syntax::Did| CollectOptions {
        force: true,
        reconciled: Reconciled {
            unasked: vec![UnaskedAccount { did, reason: "its PDS cannot be reached".into() }],
            ..Reconciled::default()
        },
        ..CollectOptions::default()
    };
    let collected = upkeep.collect(unasked(alice()), |_, _| {}).await.unwrap();
    assert_eq!((collected.garbage.count, collected.unasked.count), (0, 2));
    let other = crate::support::did_server::plc(9);
    let collected = upkeep.collect(unasked(other), |_, _| {}).await.unwrap();
    assert_eq!((collected.garbage.count, collected.unasked.count), (1, 1), "alice was asked");
    assert_eq!((stock.recorded(uploaded).await, stock.recorded(nobodys).await), (None, Some(8)));
    // A preview knows of names that are not recorded yet.
    let named = Reconciled { named: [nobodys].into(), ..Reconciled::default() };
    let options = CollectOptions { force: true, reconciled: named, ..CollectOptions::default() };
    assert_eq!(upkeep.collect(options, |_, _| {}).await.unwrap().named.count, 1);
}

#[tokio::test]
async fn what_was_used_while_the_clock_was_ahead_is_garbage_a_grace_period_after_it_was_right_again() {
    static PASSED_US: AtomicU64 = AtomicU64::new(0);
    const HOUR_US: u64 = 3_600_000_000;
    let stock = Stock::in_directory().await;
    let ahead_us = now_us() + 400 * 24 * HOUR_US;
    let [uploaded, asked] = [stock.put_blob(b"uploaded").await, stock.put_blob(b"asked for").await];
    stock.db.write(move |write| blobs::tables::put_blob(write, &uploaded, 8, ahead_us)).await.unwrap();
    stock.db.write(move |write| blobs::tables::put_last_used(write, &asked, ahead_us, 0)).await.unwrap();
    for (passed_hours, garbage) in [(0, 0), (24, 0), (26, 2)] {
        PASSED_US.store(passed_hours * HOUR_US, Ordering::Relaxed);
        let clock = || now_us() + PASSED_US.load(Ordering::Relaxed);
        let upkeep = Upkeep::new(stock.db.clone(), stock.store.clone(), DigestLock::default(), clock);
        let collected = upkeep.collect(forced(false), |_, _| {}).await.unwrap();
        assert_eq!((collected.garbage.count, collected.recent.count), (garbage, 2 - garbage), "after {passed_hours} h");
    }
}

#[tokio::test]
async fn what_was_uploaded_before_the_clock_was_set_ahead_is_not_old() {
    static AHEAD_US: AtomicU64 = AtomicU64::new(0);
    let stock = Stock::in_directory().await;
    let clock = || now_us() + AHEAD_US.load(Ordering::Relaxed);
    let upkeep = Upkeep::new(stock.db.clone(), stock.store.clone(), DigestLock::default(), clock);
    stock.put_blob(b"garbage for long").await;
    let recent = stock.put_blob(b"uploaded now").await;
    stock.db.write(move |write| blobs::tables::put_blob(write, &recent, 12, now_us())).await.unwrap();
    for ahead_days in [2, 5, 0] {
        AHEAD_US.store(ahead_days * 86_400_000_000, Ordering::Relaxed);
        upkeep.finish_removals().await.unwrap();
        let collected = upkeep.collect(forced(true), |_, _| {}).await.unwrap();
        assert_eq!((collected.garbage.count, collected.recent.count), (1, 1), "{ahead_days} days ahead");
    }
    // To a process that begins now it is what it seems to be: it does not know how the clock was set.
    AHEAD_US.store(2 * 86_400_000_000, Ordering::Relaxed);
    let upkeep = Upkeep::new(stock.db.clone(), stock.store.clone(), DigestLock::default(), clock);
    assert_eq!(upkeep.collect(forced(false), |_, _| {}).await.unwrap().garbage.count, 2);
}
