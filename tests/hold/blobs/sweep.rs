//! Uploads that take a place and have no right to it.

use std::time::{Duration, Instant, UNIX_EPOCH};

use atcr_hold::blobs::{BlobError, UploadLimits};
use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use tokio::sync::mpsc;

use crate::support::blob_hold::{Hold, NOW_US, alice, bob, content, digest, part_number, part_request};
use server::daemon::ClockSteps;

const LIMITS: UploadLimits = UploadLimits {
    max_part_bytes: 1000,
    max_blob_bytes: 1500,
    uploads_per_account: 64,
    uploads_total: 1024,
    stale_upload_s: 86_400,
    empty_upload_s: 600,
    measure_upload_s: 60,
    idle_upload: Duration::from_secs(3),
    reserve_bytes: 0,
    last_used_resolution: Duration::from_secs(3_600),
};
/// Just late enough that what began at `NOW_US` is empty for too long.
const LATER_US: u64 = NOW_US + 600_000_001;

#[tokio::test]
async fn an_upload_without_any_part_ends_and_one_with_a_part_stays() {
    for hold in Hold::everywhere_with(LIMITS).await {
        let empty = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        let begun = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        let one = hold.part(&begun, 1, &content(1, 800)).await.unwrap();
        assert_eq!(
            hold.blobs.sweep_empty(NOW_US + 600_000_000, &ClockSteps::default()).await.unwrap(),
            0,
            "{}: not yet",
            hold.name
        );
        assert_eq!(hold.blobs.sweep_empty(LATER_US, &ClockSteps::default()).await.unwrap(), 1, "{}", hold.name);
        assert!(matches!(hold.part(&empty, 1, b"x").await, Err(BlobError::UnknownUpload)));
        let listed = [(1, &one)];
        hold.complete(&begun, &content(1, 800), &listed).await.unwrap();
        assert_eq!(hold.blobs.counts().swept.get(), 1);
    }
}

#[tokio::test]
async fn an_upload_of_a_clock_that_was_ahead_is_swept_a_day_after_it_was_right_again() {
    const YEAR_US: u64 = 365 * 86_400_000_000;
    for hold in Hold::everywhere_with(LIMITS).await {
        let ahead = hold.blobs.initiate(&alice(), NOW_US + YEAR_US).await.unwrap();
        let (name, now) = (&hold.name, hold.blobs.initiate(&alice(), NOW_US + 1_000_000).await.unwrap());
        assert_eq!(
            hold.blobs.sweep(NOW_US, &ClockSteps::default()).await.unwrap().uploads,
            0,
            "{name}: it may be in use"
        );
        assert_eq!(
            hold.blobs.sweep(NOW_US + 86_400_000_000, &ClockSteps::default()).await.unwrap().uploads,
            0,
            "{name}"
        );
        assert_eq!(
            hold.blobs.sweep(NOW_US + 86_400_000_001, &ClockSteps::default()).await.unwrap().uploads,
            1,
            "{name}"
        );
        assert!(matches!(hold.blobs.session_account(&ahead).await, Err(BlobError::UnknownUpload)), "{name}");
        // One whose time is a moment later than now keeps it.
        hold.blobs.session_account(&now).await.unwrap();
    }
}

#[tokio::test]
async fn a_clock_that_is_set_ahead_ends_no_upload_that_is_in_use() {
    const AHEAD_US: u64 = 2 * 86_400_000_000;
    for hold in Hold::everywhere_with(LIMITS).await {
        let (steps, begun, name) = (ClockSteps::default(), Instant::now(), &hold.name);
        steps.look(NOW_US, begun);
        let empty = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        let pushed = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        let part = hold.part(&pushed, 1, &content(1, 800)).await.unwrap();
        // Each time after the begin in seconds, and whether an upload of then is swept: one without a part, one with a part.
        for (passed_s, empty_goes, pushed_goes) in
            [(60, 0, 0), (600, 0, 0), (601, 1, 0), (43_200, 0, 0), (86_400, 0, 0), (86_401, 0, 1)]
        {
            let clock_us = NOW_US + AHEAD_US + passed_s * 1_000_000;
            steps.look(clock_us, begun + Duration::from_secs(passed_s));
            assert_eq!(hold.blobs.sweep_empty(clock_us, &steps).await.unwrap(), empty_goes, "{name}: {passed_s}");
            let swept = hold.blobs.sweep(clock_us, &steps).await.unwrap();
            assert_eq!((swept.uploads, swept.orphans), (pushed_goes, 0), "{name}: {passed_s}");
        }
        assert!(matches!(hold.part(&empty, 1, b"x").await, Err(BlobError::UnknownUpload)), "{name}");
        let late = hold.complete(&pushed, &content(1, 800), &[(1, &part)]).await;
        assert!(matches!(late, Err(BlobError::UnknownUpload)), "{name}");
    }
}

#[tokio::test]
async fn an_upload_whose_first_part_takes_long_is_not_empty() {
    let hold = Hold::with(LIMITS).await;
    let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    let (frames, body) = mpsc::channel::<Bytes>(1);
    let body = stream::unfold(body, |mut body| async move { Some((Ok(body.recv().await?), body)) });
    let blobs = hold.blobs.clone();
    let part = part_request(id, &alice(), part_number(1), None);
    let part = tokio::spawn(async move { blobs.upload_part(part, Box::pin(body)).await });
    frames.send(Bytes::from_static(b"slow")).await.unwrap();
    while hold.staged(&id).is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(hold.blobs.sweep_empty(LATER_US, &ClockSteps::default()).await.unwrap(), 0);
    drop(frames);
    let etag = part.await.unwrap().unwrap();
    hold.complete(&id, b"slow", &[(1, &etag)]).await.unwrap();
}

#[tokio::test]
async fn the_uploads_of_an_account_are_dropped_with_what_they_staged_and_those_of_others_stay() {
    for hold in Hold::everywhere_with(LIMITS).await {
        let (first, second) = (
            hold.blobs.initiate(&alice(), NOW_US).await.unwrap(),
            hold.blobs.initiate(&alice(), NOW_US).await.unwrap(),
        );
        hold.part(&first, 1, &content(2, 800)).await.unwrap();
        let done = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        hold.complete(&done, b"", &[]).await.unwrap();
        let other = hold.blobs.initiate(&bob(), NOW_US).await.unwrap();
        assert_eq!(hold.blobs.revoke_uploads(&alice()).await.unwrap(), 2, "{}", hold.name);
        for id in [first, second] {
            assert!(matches!(hold.part(&id, 1, b"x").await, Err(BlobError::UnknownUpload)), "{}", hold.name);
            assert!(!hold.is_staged(&id).await, "{}", hold.name);
        }
        assert_eq!(hold.blobs.uploading_accounts().await.unwrap(), [bob()]);
        assert_eq!(hold.blobs.session_account(&other).await.unwrap(), bob());
        assert!(hold.read(&digest(b"")).await.is_some(), "a blob is not an upload");
    }
}

#[tokio::test]
async fn an_upload_that_is_being_completed_keeps_no_sweep_from_the_others() {
    let hold = Hold::with(LIMITS).await;
    let completing = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    let digests = hold.blobs.digests();
    let busy = digests.lock(&digest(b"")).await;
    let mut completed = Box::pin(hold.complete(&completing, b"", &[]));
    assert!(completed.as_mut().now_or_never().is_none(), "it waits for the digest, and has the lock of the upload");
    let patience = Duration::from_secs(60);
    hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    let swept = tokio::time::timeout(patience, hold.blobs.sweep_empty(LATER_US, &ClockSteps::default())).await;
    assert_eq!(swept.expect("it waits for the one").unwrap(), 1);
    hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    let swept = tokio::time::timeout(patience, hold.blobs.sweep(NOW_US + 86_400_000_001, &ClockSteps::default())).await;
    assert_eq!(swept.expect("it waits for the one").unwrap().uploads, 1);
    hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    let revoked = tokio::time::timeout(patience, hold.blobs.revoke_uploads(&alice())).await;
    assert_eq!(revoked.expect("it waits for the one").unwrap(), 1);
    drop(busy);
    completed.await.unwrap();
}

#[tokio::test]
async fn what_a_migration_writes_here_is_left_to_it_until_it_has_written_nothing_for_a_day() {
    const DAY: Duration = Duration::from_hours(24);
    let hold = Hold::with(LIMITS).await;
    let folder = hold.root().join("uploads/migration-0123456789abcdef");
    let now = UNIX_EPOCH + Duration::from_micros(NOW_US);
    // What is so much later than now was written while the clock was ahead.
    for (used, left) in
        [(now - DAY, now - DAY - Duration::from_secs(1)), (now + DAY, now + DAY + Duration::from_secs(1))]
    {
        std::fs::create_dir(&folder).unwrap();
        let file = std::fs::File::create(folder.join("blob")).unwrap();
        std::fs::File::open(&folder).unwrap().set_modified(UNIX_EPOCH).unwrap();
        file.set_modified(used).unwrap();
        hold.blobs.recover().await.unwrap();
        assert_eq!(hold.blobs.sweep(NOW_US, &ClockSteps::default()).await.unwrap().orphans, 0);
        file.set_modified(left).unwrap();
        assert_eq!(hold.blobs.sweep(NOW_US, &ClockSteps::default()).await.unwrap().orphans, 1);
        assert!(!folder.exists());
    }
}
