//! Quotas of uploads: what parts, retries and abandoned uploads take of them.

use std::sync::Arc;
use std::time::Duration;

use atcr_hold::blobs::{BlobError, Blobs, ETag, QuotaLimits, UploadId, UploadLimits};
use atproto::syntax::Did;
use futures_util::future::join_all;
use server::sqlite::Read;
use server::storage::StorageError;

use crate::support::blob_hold::{Hold, NOW_US, alice, digest, frames, list, part_number, part_request};

/// Everybody may have ten bytes.
struct Ten;

impl QuotaLimits for Ten {
    fn limit_bytes(&self, _: &Read<'_>, _: &Did) -> Result<Option<u64>, StorageError> {
        Ok(Some(10))
    }
}

/// An upload is idle after this time: however busy the machine is, none is within an hour.
fn limits(idle_upload: Duration) -> UploadLimits {
    UploadLimits { reserve_bytes: 0, idle_upload, ..UploadLimits::default() }
}

async fn holds() -> Vec<Hold> {
    let holds = Hold::everywhere_with(limits(Duration::from_secs(3600))).await;
    holds.iter().for_each(|hold| hold.blobs.set_quota_limits(Arc::new(Ten)));
    holds
}

async fn used(blobs: &Blobs) -> u64 {
    blobs.account_usages().await.unwrap().iter().map(|(_, usage)| usage.total_bytes()).sum()
}

async fn initiate(hold: &Hold) -> UploadId {
    hold.blobs.initiate(&alice(), NOW_US).await.unwrap()
}

fn assert_no_room<T: std::fmt::Debug>(outcome: Result<T, BlobError>) {
    assert!(matches!(outcome, Err(BlobError::QuotaExceeded { .. })), "{outcome:?}");
}

#[tokio::test]
async fn exactly_what_a_quota_allows_can_be_uploaded_and_a_part_sent_again() {
    for hold in holds().await {
        let id = initiate(&hold).await;
        hold.part(&id, 1, b"12345678").await.unwrap();
        let one = hold.part(&id, 1, b"abcdefgh").await.unwrap();
        assert_no_room(hold.part(&id, 2, b"ijk").await);
        let two = hold.part(&id, 2, b"ij").await.unwrap();
        assert_eq!(used(&hold.blobs).await, 10, "{}", hold.name);
        hold.complete(&id, b"abcdefghij", &[(1, &one), (2, &two)]).await.unwrap();
        hold.complete(&id, b"abcdefghij", &[(1, &one), (2, &two)]).await.unwrap();
        assert_eq!(used(&hold.blobs).await, 10, "{}", hold.name);
        assert_no_room(hold.blobs.initiate(&alice(), NOW_US).await);
    }
}

#[tokio::test]
async fn an_abandoned_upload_gives_way_to_the_next_one() {
    for hold in holds().await {
        let abandoned = initiate(&hold).await;
        hold.part(&abandoned, 1, b"12345678").await.unwrap();
        let id = initiate(&hold).await;
        assert_no_room(hold.part(&id, 1, b"12345678").await);
        let send = async |bytes: &[u8], now_us| -> Result<ETag, BlobError> {
            let length = Some(bytes.len() as u64);
            let mut request = part_request(id, &alice(), part_number(1), length);
            request.now_us = now_us;
            hold.blobs.upload_part(request, frames(bytes)).await
        };
        // Nothing is unused because the clock was set ahead.
        let later_us = NOW_US + 4_000_000_000;
        assert_no_room(send(b"12345678", later_us).await);
        hold.blobs.session_account(&abandoned).await.expect("it was used just now");
        hold.blobs.set_limits(limits(Duration::ZERO));
        assert_no_room(send(b"more than ten", later_us).await);
        hold.blobs.session_account(&abandoned).await.expect("nothing goes that does not help");
        let etag = send(b"12345678", later_us).await.unwrap();
        assert!(hold.blobs.session_account(&abandoned).await.is_err(), "{}", hold.name);
        hold.blobs.complete(&id, &alice(), digest(b"12345678"), list(&[(1, &etag)]), later_us).await.unwrap();
        assert_eq!(used(&hold.blobs).await, 8);
    }
}

#[tokio::test]
async fn a_body_that_announces_nothing_ends_at_the_quota() {
    let hold = holds().await.remove(0);
    let id = initiate(&hold).await;
    let request = part_request(id, &alice(), part_number(1), None);
    assert_no_room(hold.blobs.upload_part(request.clone(), frames(b"12345678901")).await);
    assert_eq!(used(&hold.blobs).await, 0);
    hold.blobs.upload_part(request, frames(b"1234567890")).await.unwrap();
}

#[tokio::test]
async fn an_upload_whose_completion_was_refused_gives_way_at_once() {
    for hold in holds().await {
        let refused = initiate(&hold).await;
        let etag = hold.part(&refused, 1, b"12345678").await.unwrap();
        let outcome = hold.complete(&refused, b"something else", &[(1, &etag)]).await;
        assert!(matches!(outcome, Err(BlobError::DigestMismatch)), "{}: {outcome:?}", hold.name);
        let id = initiate(&hold).await;
        let etag = hold.part(&id, 1, b"1234567890").await.unwrap();
        hold.complete(&id, b"1234567890", &[(1, &etag)]).await.unwrap();
        assert!(hold.blobs.session_account(&refused).await.is_err(), "{}", hold.name);
    }
}

#[tokio::test]
async fn an_upload_whose_completion_failed_does_not_give_way_at_once() {
    let hold = holds().await.remove(0);
    let failed = initiate(&hold).await;
    let etag = hold.part(&failed, 1, b"12345678").await.unwrap();
    let file = hold.blob_file(&digest(b"12345678"));
    let folder = file.parent().unwrap();
    std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
    std::fs::write(folder, "no folder").unwrap();
    let outcome = hold.complete(&failed, b"12345678", &[(1, &etag)]).await;
    assert!(matches!(outcome, Err(BlobError::Storage(_))), "{outcome:?}");
    let id = initiate(&hold).await;
    assert_no_room(hold.part(&id, 1, b"1234567890").await);
    std::fs::remove_file(folder).unwrap();
    hold.complete(&failed, b"12345678", &[(1, &etag)]).await.unwrap();
}

#[tokio::test]
async fn parts_at_once_that_fill_a_quota_exactly_all_succeed() {
    for hold in holds().await {
        for _ in 0..10 {
            let mut ids = vec![];
            for _ in 0..5 {
                ids.push(initiate(&hold).await);
            }
            let parts = join_all(ids.iter().map(|id| hold.part(id, 1, b"xy"))).await;
            assert!(parts.iter().all(Result::is_ok), "{}: {parts:?}", hold.name);
            for id in ids {
                hold.blobs.abort(&id, &alice()).await.unwrap();
            }
        }
    }
}
