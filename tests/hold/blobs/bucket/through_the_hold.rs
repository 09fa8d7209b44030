//! Parts that go through the hold: when it knows the digest by itself, and when it does not trust what it saw.

use atcr_hold::blobs::{BlobError, BodyError, ETag, UploadId, UploadLimits};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::cut_off::multipart;
use super::{begin, three_parts};
use crate::objects::remotes_here;
use crate::support::blob_hold::{Hold, NOW_US, alice, bob, content, digest, frames, part_number, part_request};

const PART_BYTES: usize = 5 << 20;

async fn holds() -> Vec<Hold> {
    let mut holds = vec![];
    for remote in remotes_here() {
        holds.push(Hold::in_remote(&remote, UploadLimits::default()).await);
    }
    holds
}

async fn send(hold: &Hold, id: &UploadId, whole: &[u8], order: [u32; 3]) -> Vec<(u32, ETag)> {
    let mut sent = vec![];
    for number in order {
        let bytes = whole.chunks(PART_BYTES).nth(number as usize - 1).unwrap();
        sent.push((number, hold.part(id, number, bytes).await.unwrap()));
    }
    sent
}

async fn complete(hold: &Hold, id: &UploadId, whole: &[u8], list: &[(u32, ETag)]) -> Result<(), BlobError> {
    let list: Vec<_> = list.iter().map(|(number, etag)| (*number, etag)).collect();
    hold.complete(id, whole, &list).await
}

/// Whether the store still takes parts of the upload.
async fn takes_parts(hold: &Hold, id: &UploadId) -> bool {
    hold.store().stat(&format!("uploads/{id}")).await.unwrap().is_none()
}

#[tokio::test]
async fn in_order_a_wrong_digest_is_known_before_the_parts_are_put_together() {
    for hold in holds().await {
        let (name, whole, id) = (hold.name.clone(), three_parts(), begin(&hold).await);
        let mut wrong = whole.clone();
        wrong[PART_BYTES] ^= 1;
        let mut list = send(&hold, &id, &wrong, [1, 2, 3]).await;
        let hold = hold.reopen().await;
        assert!(matches!(complete(&hold, &id, &whole, &list).await, Err(BlobError::DigestMismatch)), "{name}");
        assert!(takes_parts(&hold, &id).await, "{name}");
        // The wrong part again, and rightly: from now on only reading tells.
        list[1].1 = hold.part(&id, 2, &whole[PART_BYTES..2 * PART_BYTES]).await.unwrap();
        complete(&hold, &id, &whole, &list).await.unwrap();
        hold.assert_blob(&whole).await;
    }
}

/// As a lifecycle rule of the bucket drops parts that were not put together.
#[tokio::test]
async fn an_upload_that_its_store_lost_ends_at_the_next_part() {
    for hold in holds().await.into_iter().filter(|hold| hold.store().signs_parts()) {
        // Of a large one the answer may be lost, as some stores break the connection off before they have read it.
        let whole = three_parts();
        for size_bytes in [7, whole.len()] {
            let (name, id) = (format!("{}, {size_bytes} bytes", hold.name), begin(&hold).await);
            send(&hold, &id, &whole[..PART_BYTES], [1, 1, 1]).await;
            hold.store().abort_multipart(&format!("uploads/{id}"), &multipart(&hold).await).await.unwrap();
            let refused = hold.part(&id, 2, &whole[..size_bytes]).await;
            assert!(matches!(refused, Err(BlobError::UnknownUpload)), "{name}: {refused:?}");
            let account = hold.blobs.session_account(&id).await;
            assert!(matches!(account, Err(BlobError::UnknownUpload)), "{name}: it takes no place: {account:?}");
        }
    }
}

#[tokio::test]
async fn what_was_sent_out_of_order_or_twice_is_read_back() {
    for hold in holds().await {
        for twice in [false, true] {
            let (mut whole, id) = (three_parts(), begin(&hold).await);
            whole[0] = u8::from(twice);
            let mut list = send(&hold, &id, &whole, if twice { [1, 2, 3] } else { [2, 1, 3] }).await;
            if twice {
                let again = hold.part(&id, 1, &whole[..PART_BYTES]).await.unwrap();
                // Azure has no ETag of a part's bytes.
                assert_eq!(again == list[0].1, hold.store().signs_parts());
                list[0].1 = again;
            }
            let refused = complete(&hold, &id, b"something else", &list).await;
            assert!(matches!(refused, Err(BlobError::DigestMismatch)), "{}", hold.name);
            assert!(!takes_parts(&hold, &id).await, "{}: it was put together to be read", hold.name);
            complete(&hold, &id, &whole, &list).await.unwrap();
            hold.assert_blob(&whole).await;
        }
    }
}

#[tokio::test]
async fn more_parts_at_once_than_an_account_has_slots_are_sent_away_and_not_those_of_others() {
    for hold in holds().await {
        let id = begin(&hold).await;
        let silent = |number| {
            let (blobs, body) = (hold.blobs.clone(), stream::pending::<Result<Bytes, BodyError>>().boxed());
            tokio::spawn(async move {
                blobs.upload_part(part_request(id, &alice(), part_number(number), Some(9)), body).await
            })
        };
        let waiting: Vec<_> = (1..=17).map(silent).collect();
        tokio::task::yield_now().await;
        let refused = hold.part(&id, 40, &content(1, 9)).await;
        assert!(matches!(refused, Err(BlobError::Busy)), "{}: {refused:?}", hold.name);
        let other = hold.blobs.initiate(&bob(), NOW_US).await.unwrap();
        let request = part_request(other, &bob(), part_number(1), Some(9));
        hold.blobs.upload_part(request, frames(&content(1, 9))).await.unwrap();
        assert!(waiting.iter().all(|part| !part.is_finished()), "{}", hold.name);
    }
}

#[tokio::test]
async fn limits_hold_for_parts_through_the_hold() {
    let limits = UploadLimits { max_part_bytes: 1000, max_blob_bytes: 1500, ..UploadLimits::default() };
    for remote in remotes_here() {
        let hold = Hold::in_remote(&remote, limits.clone()).await;
        let id = begin(&hold).await;
        assert!(matches!(
            hold.part(&id, 1, &content(7, 1001)).await,
            Err(BlobError::PartTooLarge { limit_bytes: 1000 })
        ));
        let one = hold.part(&id, 1, &content(7, 1000)).await.unwrap();
        assert!(matches!(
            hold.part(&id, 2, &content(7, 501)).await,
            Err(BlobError::BlobTooLarge { limit_bytes: 1500 })
        ));
        let chunked = hold.blobs.upload_part(part_request(id, &alice(), part_number(2), None), frames(b"x")).await;
        assert!(matches!(chunked, Err(BlobError::LengthRequired)));
        hold.complete(&id, &content(7, 1000), &[(1, &one)]).await.unwrap();
        assert_eq!(hold.blobs.stat(&digest(&content(7, 1000)), None).await.unwrap(), Some(1000));
    }
}
