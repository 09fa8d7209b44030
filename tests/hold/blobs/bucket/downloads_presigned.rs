//! Parts through the hold and downloads by URLs of the store: nothing is read back, also over a restart, unless a part
//! was sent again or went past the hold.

use std::sync::Arc;
use std::time::Duration;

use atcr_hold::blobs::{BlobError, BodyError, QuotaLimits, Target, UploadId, UploadLimits};
use atcr_hold::objects::Presigned;
use atproto::syntax::Did;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Method;
use server::sqlite::Read;
use server::storage::StorageError;

use super::cut_off::multipart;
use super::{MIB, begin, complete, put, three_parts};
use crate::objects::buckets_here;
use crate::support::blob_hold::{Hold, NOW_US, alice, digest, part_number, part_request};
use crate::support::hold::Call;

const PART_BYTES: usize = 5 * MIB;

async fn holds_of(presigned: Presigned) -> Vec<Hold> {
    let mut holds = vec![];
    for bucket in buckets_here() {
        holds.push(Hold::in_bucket(&bucket, presigned, UploadLimits::default()).await);
    }
    holds
}

fn part(whole: &[u8], number: u32) -> &[u8] {
    whole.chunks(PART_BYTES).nth(number as usize - 1).unwrap()
}

/// Sends a part to where the hold says, which must be the hold; answers its line of the list.
async fn send(hold: &Hold, id: &UploadId, whole: &[u8], number: u32) -> (u32, String) {
    let target = hold.blobs.part_target(id, &alice(), part_number(number), NOW_US).await.unwrap();
    assert_eq!(target, Target::Hold, "{}", hold.name);
    (number, hold.part(id, number, part(whole, number)).await.unwrap().as_str().to_owned())
}

#[tokio::test]
async fn nothing_is_read_back_over_restarts_and_downloads_go_past_the_hold() {
    for mut hold in holds_of(Presigned::Downloads).await {
        let (whole, id, mut list) = (three_parts(), begin(&hold).await, vec![]);
        for number in 1..=3 {
            list.push(send(&hold, &id, &whole, number).await);
            hold = hold.reopen().await;
        }
        let refused = complete(&hold, &id, b"something else", &list).await;
        assert!(matches!(refused, Err(BlobError::DigestMismatch)), "{}: {refused:?}", hold.name);
        assert!(!hold.is_published(&digest(b"something else")).await);
        complete(&hold, &id, &whole, &list).await.unwrap();
        assert_eq!(hold.blobs.counts().proof_bytes.get(), 0, "{}", hold.name);
        assert!(!hold.is_staged(&id).await, "{}", hold.name);
        let (target, size_bytes) = hold.blobs.read_target(&digest(&whole), Method::GET, NOW_US).await.unwrap().unwrap();
        let Target::Store(url) = target else { panic!("{}: not a URL of the store", hold.name) };
        assert_eq!(size_bytes, whole.len() as u64);
        assert!(Call::to("GET", &url).send().await.body == whole, "{}", hold.name);
    }
}

#[tokio::test]
async fn a_slow_client_is_waited_for_and_one_that_goes_leaves_no_part() {
    for hold in holds_of(Presigned::Downloads).await {
        let (whole, id) = (three_parts(), begin(&hold).await);
        let mut list = vec![send(&hold, &id, &whole, 1).await];
        let request = || part_request(id, &alice(), part_number(2), Some(PART_BYTES as u64));
        let gone = stream::iter([Ok(Bytes::from(part(&whole, 2)[..MIB].to_vec())), Err(BodyError::Disconnected)]);
        let refused = hold.blobs.upload_part(request(), gone.boxed()).await;
        assert!(matches!(refused, Err(BlobError::Body(_))), "{}: {refused:?}", hold.name);
        list.push((2, "00000000000000000000000000000000".into()));
        let missing = complete(&hold, &id, &whole, &list).await;
        assert!(missing.is_err() && !hold.is_published(&digest(&whole)).await, "{}", hold.name);

        let chunks: Vec<_> = part(&whole, 2).chunks(MIB).map(|chunk| Bytes::from(chunk.to_vec())).collect();
        let slow = stream::iter(chunks).then(|chunk| async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok::<_, BodyError>(chunk)
        });
        list[1].1 = hold.blobs.upload_part(request(), slow.boxed()).await.unwrap().as_str().to_owned();
        list.push(send(&hold, &id, &whole, 3).await);
        complete(&hold, &id, &whole, &list).await.unwrap();
        hold.assert_blob(&whole).await;
        // Of a part that was begun twice only reading tells which body the store has.
        assert_eq!(hold.blobs.counts().proof_bytes.get(), whole.len() as u64, "{}", hold.name);
    }
}

#[tokio::test]
async fn a_part_whose_row_does_not_get_to_the_disk_does_not_get_to_the_store() {
    for hold in holds_of(Presigned::Downloads).await {
        let (whole, id) = (three_parts(), begin(&hold).await);
        let mut list = vec![send(&hold, &id, &whole, 1).await];
        // Rows are written, and refused when they are committed: by then the part is on its way.
        let database = rusqlite::Connection::open(hold.directory.path().join("hold.db")).unwrap();
        let refusing = "CREATE TABLE none (id INTEGER PRIMARY KEY);
                        CREATE TABLE refused (id INTEGER REFERENCES none (id) DEFERRABLE INITIALLY DEFERRED);
                        CREATE TRIGGER refusing AFTER INSERT ON bucket_part BEGIN INSERT INTO refused VALUES (1); END";
        database.execute_batch(refusing).unwrap();
        let refused = hold.part(&id, 2, part(&whole, 2)).await;
        assert!(matches!(refused, Err(BlobError::Storage(_))), "{}: {refused:?}", hold.name);
        let stored = hold.store().list_parts(&format!("uploads/{id}"), &multipart(&hold).await).await.unwrap().unwrap();
        assert_eq!(stored.iter().map(|part| part.number).collect::<Vec<_>>(), [1], "{}", hold.name);

        database.execute_batch("DROP TRIGGER refusing").unwrap();
        for number in [2, 3] {
            list.push(send(&hold, &id, &whole, number).await);
        }
        complete(&hold, &id, &whole, &list).await.unwrap();
        hold.assert_blob(&whole).await;
        assert_eq!(hold.blobs.counts().proof_bytes.get(), 0, "{}", hold.name);
    }
}

#[tokio::test]
async fn an_upload_that_was_open_when_the_setting_changed_goes_on() {
    for (before, after) in [(Presigned::All, Presigned::Downloads), (Presigned::Downloads, Presigned::All)] {
        for hold in holds_of(before).await {
            let (whole, id) = (three_parts(), begin(&hold).await);
            let first = match before {
                Presigned::All => (1, put(&hold, &id, 1, part(&whole, 1)).await),
                _ => send(&hold, &id, &whole, 1).await,
            };
            let hold = hold.reopen_presigned(after).await;
            let mut list = vec![first];
            for number in [2, 3] {
                list.push(match after {
                    Presigned::All => (number, put(&hold, &id, number, part(&whole, number)).await),
                    _ => send(&hold, &id, &whole, number).await,
                });
            }
            // What went past the hold counts in the quota, whatever the setting is now.
            assert_eq!(hold.blobs.measure_uploads().await.unwrap(), 0);
            let used: u64 = hold.blobs.account_usages().await.unwrap().iter().map(|(_, it)| it.total_bytes()).sum();
            assert_eq!(used, whole.len() as u64, "{}", hold.name);
            let refused = complete(&hold, &id, b"something else", &list).await;
            assert!(matches!(refused, Err(BlobError::DigestMismatch)), "{}: {refused:?}", hold.name);
            complete(&hold, &id, &whole, &list).await.unwrap();
            hold.assert_blob(&whole).await;
            assert_eq!(hold.blobs.counts().proof_bytes.get(), whole.len() as u64, "{}", hold.name);
        }
    }
}

/// Everybody may have 9 MiB.
struct Nine;

impl QuotaLimits for Nine {
    fn limit_bytes(&self, _: &Read<'_>, _: &Did) -> Result<Option<u64>, StorageError> {
        Ok(Some(9 * MIB as u64))
    }
}

#[tokio::test]
async fn a_part_beyond_the_quota_is_refused_before_it_is_sent() {
    for hold in holds_of(Presigned::Downloads).await {
        hold.blobs.set_quota_limits(Arc::new(Nine));
        let (whole, id) = (three_parts(), begin(&hold).await);
        let one = send(&hold, &id, &whole, 1).await;
        let refused = hold.part(&id, 2, part(&whole, 2)).await;
        assert!(matches!(refused, Err(BlobError::QuotaExceeded { .. })), "{}: {refused:?}", hold.name);
        complete(&hold, &id, part(&whole, 1), &[one]).await.unwrap();
        hold.assert_blob(part(&whole, 1)).await;
    }
}
