//! What nobody owns goes when it is old, and nothing else does.

use atcr_hold::blobs::{BlobError, Swept};
use futures_util::TryStreamExt as _;

use super::{begin, complete, holds, part_url, put_all};
use crate::support::blob_hold::{Hold, NOW_US, alice, part_number};
use server::daemon::ClockSteps;

const HOUR_US: u64 = 3_600_000_000;

/// The store's clock is the real one.
fn now_us() -> u64 {
    u64::try_from(chrono::Utc::now().timestamp_micros()).unwrap()
}

/// The keys of objects, and of uploads in parts that are open, below a folder.
async fn left(hold: &Hold, folder: &str) -> Vec<String> {
    let objects = atcr_hold::objects::Objects::in_bucket(hold.store().clone()).list(folder);
    let objects: Vec<_> = objects.map_ok(|object| object.key).try_collect().await.unwrap();
    let open: Vec<_> = hold.store().list_multiparts(folder).map_ok(|open| open.key).try_collect().await.unwrap();
    [objects, open].concat()
}

#[tokio::test]
async fn stale_uploads_go_with_what_they_staged() {
    for hold in holds().await {
        let (name, begun, whole) = (&hold.name, begin(&hold).await, b"whole".to_vec());
        put_all(&hold, &begun, &whole).await;
        let staged = begin(&hold).await;
        let list = put_all(&hold, &staged, &whole).await;
        assert!(matches!(complete(&hold, &staged, b"x", &list).await, Err(BlobError::DigestMismatch)), "{name}");
        let used = begin(&hold).await;
        hold.blobs.part_target(&used, &alice(), part_number(1), NOW_US + 20 * HOUR_US).await.unwrap();
        assert_eq!(
            hold.blobs.sweep(NOW_US + 24 * HOUR_US, &ClockSteps::default()).await.unwrap(),
            Swept::default(),
            "{name}"
        );
        let swept = hold.blobs.sweep(NOW_US + 25 * HOUR_US, &ClockSteps::default()).await.unwrap();
        assert_eq!(swept, Swept { uploads: 2, finished: 0, orphans: 0 }, "{name}");
        for id in [begun, staged] {
            assert!(!hold.is_staged(&id).await, "{name}");
            assert!(matches!(hold.blobs.session_account(&id).await, Err(BlobError::UnknownUpload)), "{name}");
        }
        let list = put_all(&hold, &used, &whole).await;
        complete(&hold, &used, &whole, &list).await.unwrap();
        hold.assert_blob(&whole).await;
    }
}

#[tokio::test]
async fn what_a_lost_database_owned_goes_when_it_is_old() {
    for hold in holds().await {
        let name = hold.name.clone();
        for _ in 0..3 {
            part_url(&hold, &begin(&hold).await, 1).await;
        }
        let staged = begin(&hold).await;
        let list = put_all(&hold, &staged, b"whole").await;
        assert!(matches!(complete(&hold, &staged, b"x", &list).await, Err(BlobError::DigestMismatch)), "{name}");
        // A copy in pieces and a start that were cut off, and what other users of the bucket have.
        let copied = crate::support::blob_hold::blob_key(&crate::support::blob_hold::digest(b"copied"));
        hold.store().create_multipart(&copied).await.unwrap();
        hold.store().put("probe/0123456789abcdef/object", b"atcr-hold was here".as_slice()).await.unwrap();
        hold.store().create_multipart("probe/0123456789abcdef/parts").await.unwrap();
        let foreign = [
            "uploads/somebody-elses.png",
            "uploads/0123456789abcdef0123456789abcdef/x",
            "other/data",
            "probe/space/photo.png",
        ];
        for key in foreign {
            hold.store().put(key, b"theirs".as_slice()).await.unwrap();
        }
        hold.store().create_multipart("uploads/video.mkv").await.unwrap();
        let hold = hold.lose_database().await;
        // moto says of each upload in parts that it began on 2010-11-10 (its s3/responses.py): of the seven, five are these.
        let young = if name == "moto" { 5 } else { 0 };
        for (hours, orphans) in [(23, young), (25, 7 - young)] {
            let swept = hold.blobs.sweep(now_us() + hours * HOUR_US, &ClockSteps::default()).await.unwrap();
            assert_eq!(swept.orphans, orphans, "{name}, after {hours} hours");
        }
        let mut rest = left(&hold, "uploads").await;
        rest.sort();
        assert_eq!(rest, [foreign[1], foreign[0], "uploads/video.mkv"], "{name}");
        assert!(left(&hold, "docker").await.is_empty(), "{name}");
        assert_eq!(left(&hold, "other").await, ["other/data"], "{name}");
        assert_eq!(left(&hold, "probe").await, ["probe/space/photo.png"], "{name}");
    }
}

#[tokio::test]
async fn what_an_open_upload_owns_stays_and_what_a_finished_one_left_goes() {
    for hold in holds().await {
        let (name, finished) = (&hold.name, begin(&hold).await);
        complete(&hold, &finished, b"", &[]).await.unwrap();
        hold.store().put(&format!("uploads/{finished}"), b"left".as_slice()).await.unwrap();
        let open = hold.blobs.initiate(&alice(), now_us() + 30 * HOUR_US).await.unwrap();
        let list = put_all(&hold, &open, b"whole").await;
        // One that was begun besides, when an answer was lost.
        hold.store().create_multipart(&format!("uploads/{open}")).await.unwrap();
        let swept = hold.blobs.sweep(now_us() + 25 * HOUR_US, &ClockSteps::default()).await.unwrap();
        assert_eq!((swept.uploads, swept.orphans), (0, 2), "{name}");
        complete(&hold, &open, b"whole", &list).await.unwrap();
        hold.assert_blob(b"whole").await;
    }
}
