//! Uploads as a client sees them: parts, their limits, completing, aborting.

use std::time::Duration;

use atcr_hold::blobs::{
    BlobError, BlobPlace, BlobSettings, Blobs, BodyError, OpenBlobsError, PartNumber, UploadId, UploadLimits,
};
use atcr_hold::schema;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;

use crate::support::blob_hold::{Hold, NOW_US, alice, bob, content, digest, frames, list, part_number, part_request};

const SMALL: UploadLimits = UploadLimits {
    max_part_bytes: 1000,
    max_blob_bytes: 1500,
    uploads_per_account: 2,
    uploads_total: 3,
    stale_upload_s: 86_400,
    empty_upload_s: 600,
    measure_upload_s: 60,
    idle_upload: Duration::from_secs(3),
    reserve_bytes: 0,
    last_used_resolution: Duration::from_secs(3_600),
};

/// By the hold itself, or by a bucket, which has the last word on the parts it holds.
#[track_caller]
fn assert_parts_refused(hold: &Hold, outcome: Result<(), BlobError>) {
    match outcome {
        Err(BlobError::MissingParts) => {}
        Err(BlobError::PartsRefused { .. }) if hold.name != "directory" => {}
        other => panic!("{}: {other:?}", hold.name),
    }
}

#[tokio::test]
async fn parts_in_order_become_the_blob_without_a_second_file() {
    for hold in Hold::everywhere().await {
        let whole = content(1, 700_000);
        let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        let one = hold.part(&id, 1, &whole[..300_000]).await.unwrap();
        let two = hold.part(&id, 2, &whole[300_000..300_001]).await.unwrap();
        let three = hold.part(&id, 3, &whole[300_001..]).await.unwrap();
        if hold.name == "directory" {
            assert_eq!(hold.staged(&id), ["main"]);
        }
        assert!(hold.read(&digest(&whole)).await.is_none(), "nothing is visible before it is proven");

        let quoted =
            vec![(part_number(3), three.quoted()), (part_number(1), one.quoted()), (part_number(2), two.quoted())];
        hold.blobs.complete(&id, &alice(), digest(&whole), quoted, NOW_US).await.unwrap();
        hold.assert_blob(&whole).await;
        assert!(!hold.is_staged(&id).await, "{}: staging is gone", hold.name);
        assert_eq!(hold.blobs.open_uploads().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn parts_out_of_order_become_the_blob() {
    for hold in Hold::everywhere().await {
        let whole = content(2, 900_000);
        let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        let three = hold.part(&id, 3, &whole[600_000..]).await.unwrap();
        let one = hold.part(&id, 1, &whole[..300_000]).await.unwrap();
        let two = hold.part(&id, 2, &whole[300_000..600_000]).await.unwrap();
        hold.complete(&id, &whole, &[(1, &one), (2, &two), (3, &three)]).await.unwrap();
        hold.assert_blob(&whole).await;
    }
}

#[tokio::test]
async fn parallel_parts_become_the_blob() {
    for hold in Hold::everywhere().await {
        let whole = content(3, 800_000);
        let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        let parts = whole.chunks(100_000).zip(1u32..).map(|(bytes, number)| hold.part(&id, number, bytes));
        let etags = futures_util::future::join_all(parts).await.into_iter().map(Result::unwrap).collect::<Vec<_>>();
        let listed = (1..).zip(&etags).collect::<Vec<_>>();
        hold.complete(&id, &whole, &listed).await.unwrap();
        hold.assert_blob(&whole).await;
    }
}

#[tokio::test]
async fn no_parts_make_the_empty_blob_and_no_other() {
    for hold in Hold::everywhere().await {
        let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        assert!(matches!(hold.complete(&id, b"x", &[]).await, Err(BlobError::DigestMismatch)));
        hold.complete(&id, b"", &[]).await.unwrap();
        hold.assert_blob(b"").await;
    }
}

#[tokio::test]
async fn wrong_content_leaves_nothing_visible_and_the_upload_open() {
    for hold in Hold::everywhere().await {
        for ordered in [true, false] {
            let whole = content(if ordered { 4 } else { 5 }, 200_000);
            let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
            let (two, one) = if ordered {
                let one = hold.part(&id, 1, &whole[..99_999]).await.unwrap();
                (hold.part(&id, 2, &whole[99_999..]).await.unwrap(), one)
            } else {
                let two = hold.part(&id, 2, &whole[99_999..]).await.unwrap();
                (two, hold.part(&id, 1, &whole[..99_999]).await.unwrap())
            };
            let wrong = content(99, 200_000);
            let parts = [(1, &one), (2, &two)];
            assert!(matches!(hold.complete(&id, &wrong, &parts).await, Err(BlobError::DigestMismatch)));
            assert!(!hold.is_published(&digest(&wrong)).await, "{}", hold.name);
            assert!(hold.is_staged(&id).await, "{}", hold.name);
            hold.complete(&id, &whole, &parts).await.unwrap();
            hold.assert_blob(&whole).await;
        }
    }
}

#[tokio::test]
async fn a_list_with_a_gap_a_duplicate_or_a_wrong_etag_is_refused() {
    for hold in Hold::everywhere().await {
        let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        let one = hold.part(&id, 1, b"one").await.unwrap();
        let two = hold.part(&id, 2, b"two").await.unwrap();
        let lists: [&[_]; 5] = [
            &[(2, &two)],
            &[(1, &one), (1, &one)],
            &[(1, &two), (2, &one)],
            &[(1, &one), (3, &two)],
            &[(1, &one), (2, &two), (2, &two)],
        ];
        for parts in lists {
            assert_parts_refused(&hold, hold.complete(&id, b"onetwo", parts).await);
        }
        hold.complete(&id, b"one", &[(1, &one)]).await.unwrap();
        hold.assert_blob(b"one").await;
    }
}

#[tokio::test]
async fn a_repeated_part_replaces_the_earlier_one_wherever_it_was() {
    for hold in Hold::everywhere().await {
        let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        let one = hold.part(&id, 1, b"one").await.unwrap();
        let two = hold.part(&id, 2, b"two").await.unwrap();
        let three = hold.part(&id, 3, b"three").await.unwrap();
        let same = hold.part(&id, 2, b"two").await.unwrap();
        // Azure has no ETag of a part's bytes.
        assert_eq!(same == two, hold.name != "azurite", "{}: the same bytes are the same part", hold.name);
        if hold.name == "directory" {
            assert_eq!(hold.staged(&id), ["main"]);
        }

        let other = hold.part(&id, 2, b"TWO!").await.unwrap();
        assert_ne!(other, two);
        assert_parts_refused(&hold, hold.complete(&id, b"onetwo", &[(1, &one), (2, &two)]).await);
        let again = hold.part(&id, 2, b"2").await.unwrap();
        if hold.name == "directory" {
            assert_eq!(hold.staged(&id).len(), 2, "the file of a replaced part goes: {:?}", hold.staged(&id));
        }
        let wrong = hold.complete(&id, b"onetwothree", &[(1, &one), (2, &again), (3, &three)]).await;
        assert!(matches!(wrong, Err(BlobError::DigestMismatch)));
        hold.complete(&id, b"one2three", &[(1, &one), (2, &again), (3, &three)]).await.unwrap();
        hold.assert_blob(b"one2three").await;
    }
}

#[tokio::test]
async fn a_part_that_breaks_off_leaves_the_earlier_one_and_the_order_as_they_were() {
    for hold in Hold::everywhere().await {
        let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        let one = hold.part(&id, 1, b"one").await.unwrap();
        for (number, error) in [(1, BodyError::Disconnected), (2, BodyError::TimedOut)] {
            let body = stream::iter([Ok(Bytes::from(content(6, 200_000))), Err(error)]);
            let outcome =
                hold.blobs.upload_part(part_request(id, &alice(), part_number(number), Some(300_000)), body).await;
            assert!(matches!(outcome, Err(BlobError::Body(found)) if found == error));
        }
        for announced in [2, 4] {
            let outcome = hold
                .blobs
                .upload_part(part_request(id, &alice(), part_number(2), Some(announced)), frames(b"two"))
                .await;
            assert!(matches!(outcome, Err(BlobError::Body(BodyError::WrongLength))), "{announced} announced");
        }
        let two = hold.part(&id, 2, b"two").await.unwrap();
        hold.complete(&id, b"onetwo", &[(1, &one), (2, &two)]).await.unwrap();
        hold.assert_blob(b"onetwo").await;
    }
}

#[tokio::test]
async fn too_large_parts_and_blobs_are_refused_early_and_late() {
    let hold = Hold::with(SMALL).await;
    let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    let untouched = stream::poll_fn(|_| panic!("the body is not read"));
    let early = hold.blobs.upload_part(part_request(id, &alice(), part_number(1), Some(1001)), untouched).await;
    assert!(matches!(early, Err(BlobError::PartTooLarge { limit_bytes: 1000 })));
    let late =
        hold.blobs.upload_part(part_request(id, &alice(), part_number(1), None), frames(&content(7, 1001))).await;
    assert!(matches!(late, Err(BlobError::PartTooLarge { limit_bytes: 1000 })));

    let one = hold.part(&id, 1, &content(7, 1000)).await.unwrap();
    assert!(matches!(hold.part(&id, 2, &content(7, 501)).await, Err(BlobError::BlobTooLarge { limit_bytes: 1500 })));
    let late = hold.blobs.upload_part(part_request(id, &alice(), part_number(9), None), frames(&content(7, 501))).await;
    assert!(matches!(late, Err(BlobError::BlobTooLarge { limit_bytes: 1500 })));
    let replaced = hold.part(&id, 1, &content(8, 1000)).await.unwrap();
    assert_ne!(one, replaced, "a replaced part does not count twice");
    hold.part(&id, 2, &content(7, 500)).await.unwrap();
}

#[tokio::test]
async fn open_uploads_are_limited_by_account_and_in_all() {
    for hold in Hold::everywhere_with(SMALL).await {
        let first = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        assert!(matches!(hold.blobs.initiate(&alice(), NOW_US).await, Err(BlobError::TooManyUploads)));
        hold.blobs.initiate(&bob(), NOW_US).await.unwrap();
        assert!(matches!(hold.blobs.initiate(&bob(), NOW_US).await, Err(BlobError::TooManyUploads)));
        assert_eq!(hold.blobs.open_uploads().await.unwrap(), 3);
        hold.complete(&first, b"", &[]).await.unwrap();
        hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    }
}

#[tokio::test]
async fn unknown_foreign_and_finished_uploads_look_the_same() {
    for hold in Hold::everywhere().await {
        let foreign = hold.blobs.initiate(&bob(), NOW_US).await.unwrap();
        let finished = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        hold.complete(&finished, b"", &[]).await.unwrap();
        let aborted = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        hold.blobs.abort(&aborted, &alice()).await.unwrap();
        let unknown = UploadId::parse(&"0".repeat(32)).unwrap();
        for id in [foreign, finished, aborted, unknown] {
            assert!(matches!(hold.part(&id, 1, b"x").await, Err(BlobError::UnknownUpload)));
            assert!(matches!(hold.complete(&id, b"x", &[]).await, Err(BlobError::UnknownUpload)));
            assert!(matches!(hold.blobs.abort(&id, &alice()).await, Err(BlobError::UnknownUpload)));
            assert!(!hold.is_staged(&id).await, "{}", hold.name);
        }
        assert_eq!(hold.blobs.session_account(&foreign).await.unwrap(), bob());
        for id in [finished, aborted, unknown] {
            assert!(matches!(hold.blobs.session_account(&id).await, Err(BlobError::UnknownUpload)));
        }
        hold.complete(&finished, b"", &[]).await.unwrap();
        let theirs = hold.blobs.complete(&finished, &bob(), digest(b""), vec![], NOW_US).await;
        assert!(matches!(theirs, Err(BlobError::UnknownUpload)));
    }
}

#[tokio::test]
async fn one_digest_may_be_completed_twice_at_once_and_by_two_accounts() {
    for hold in Hold::everywhere().await {
        let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        let one = hold.part(&id, 1, b"same").await.unwrap();
        let parts = [(1, &one)];
        let (first, second) = tokio::join!(hold.complete(&id, b"same", &parts), hold.complete(&id, b"same", &parts));
        assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");

        let id = hold.blobs.initiate(&bob(), NOW_US).await.unwrap();
        let etag =
            hold.blobs.upload_part(part_request(id, &bob(), part_number(1), Some(4)), frames(b"same")).await.unwrap();
        hold.blobs.complete(&id, &bob(), digest(b"same"), list(&[(1, &etag)]), NOW_US).await.unwrap();
        hold.assert_blob(b"same").await;
    }
}

#[tokio::test]
async fn a_part_in_flight_ends_when_the_upload_does_and_changes_nothing() {
    for abort in [true, false] {
        for number in [1, 2, 3] {
            let hold = Hold::new().await;
            let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
            let one = hold.part(&id, 1, b"one").await.unwrap();
            let (sender, mut body) = mpsc::channel(1);
            let blobs = hold.blobs.clone();
            let body = stream::poll_fn(move |context| body.poll_recv(context));
            let part = tokio::spawn(async move {
                blobs.upload_part(part_request(id, &alice(), PartNumber::new(number).unwrap(), None), body).await
            });
            for _ in 0..8 {
                sender.send(Ok(Bytes::from(content(9, 64 * 1024)))).await.unwrap();
            }
            if abort {
                hold.blobs.abort(&id, &alice()).await.unwrap();
            } else {
                hold.complete(&id, b"one", &[(1, &one)]).await.unwrap();
            }
            // It ends at its next bytes, or at its end.
            let _ = sender.send(Ok(Bytes::from_static(b"more"))).await;
            drop(sender);
            assert!(matches!(part.await.unwrap(), Err(BlobError::UnknownUpload)));
            assert!(hold.staged(&id).is_empty());
            if !abort {
                hold.assert_blob(b"one").await;
            }
        }
    }
}

#[tokio::test]
async fn a_reserve_that_cannot_be_kept_refuses_parts_and_keeps_the_upload() {
    let hold = Hold::with(UploadLimits { reserve_bytes: u64::MAX / 2, ..UploadLimits::default() }).await;
    let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    let outcome =
        hold.blobs.upload_part(part_request(id, &alice(), part_number(1), None), stream::pending().boxed()).await;
    assert!(matches!(outcome, Err(BlobError::NoSpace(_))));
    assert_eq!(hold.blobs.session_account(&id).await.unwrap(), alice());
    hold.complete(&id, b"", &[]).await.unwrap();
}

#[tokio::test]
async fn a_missing_storage_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let db = schema::open(&directory.path().join("hold.db")).unwrap();
    let root = directory.path().join("missing");
    let opened =
        Blobs::open(BlobSettings { place: BlobPlace::Directory(root.clone()), limits: UploadLimits::default() }, db)
            .await;
    assert!(matches!(opened.err(), Some(OpenBlobsError::Root { path, .. }) if path == root));
    assert!(!root.exists());
}

#[tokio::test]
async fn of_callers_that_have_gone_none_waits_to_complete() {
    let hold = Hold::new().await;
    let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    let one = hold.part(&id, 1, b"whole").await.unwrap();
    let busy = hold.blobs.digests().lock(&digest(b"whole")).await;
    let complete = || {
        let (blobs, parts) = (hold.blobs.clone(), list(&[(1, &one)]));
        async move { blobs.complete(&id, &alice(), digest(b"whole"), parts, NOW_US).await }
    };
    let first = tokio::spawn(complete());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for _ in 0..100 {
        assert!(tokio::time::timeout(Duration::from_millis(1), complete()).await.is_err());
    }
    assert!(tasks() < before + 100, "{} tasks, and {before} before", tasks());
    drop(busy);
    first.await.unwrap().unwrap();
    complete().await.unwrap();
    hold.assert_blob(b"whole").await;
}
