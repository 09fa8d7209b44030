//! Completions that ended between two steps: what the next process finds is made by hand, and the repeated call
//! must go on from there.

use atcr_hold::blobs::{BlobError, UploadId};
use atcr_hold::objects::{Completed, Copied, CopySource};
use futures_util::TryStreamExt as _;
use rusqlite::Connection;

use super::{begin, complete, holds, put_all, three_parts};
use crate::objects::is_lax;
use crate::support::blob_hold::{Hold, blob_key, digest};

/// The store's name of the one upload in parts that is open.
pub(super) async fn multipart(hold: &Hold) -> String {
    let open: Vec<_> = hold.store().list_multiparts("uploads").try_collect().await.unwrap();
    assert_eq!(open.len(), 1, "{}: {open:?}", hold.name);
    open[0].id.clone()
}

#[tokio::test]
async fn after_the_parts_were_put_together() {
    for hold in holds().await {
        for restart in [false, true] {
            let (whole, id) = (if restart { b"small".to_vec() } else { three_parts() }, begin(&hold).await);
            let list = put_all(&hold, &id, &whole).await;
            let key = format!("uploads/{id}");
            let parts: Vec<_> = list.iter().map(|(n, etag)| (u16::try_from(*n).unwrap(), etag.clone())).collect();
            let completed = hold.store().complete_multipart(&key, &multipart(&hold).await, &parts).await.unwrap();
            assert!(matches!(completed, Completed::Object(_)), "{}", hold.name);
            complete(&hold, &id, &whole, &list).await.unwrap();
            hold.assert_blob(&whole).await;
            assert!(!hold.is_staged(&id).await, "{}", hold.name);
        }
    }
}

#[tokio::test]
async fn after_the_copy() {
    for hold in holds().await {
        let (name, whole, id) = (hold.name.clone(), three_parts(), begin(&hold).await);
        let list = put_all(&hold, &id, &whole).await;
        // A wrong digest stops it after the proof.
        assert!(matches!(complete(&hold, &id, b"x", &list).await, Err(BlobError::DigestMismatch)), "{name}");
        let (from, to) = (format!("uploads/{id}"), blob_key(&digest(&whole)));
        let etag = hold.store().stat(&from).await.unwrap().unwrap().etag;
        let source = CopySource { key: &from, etag: &etag, size_bytes: whole.len() as u64 };
        let copied = hold.store().copy_pinned(source, &to).await.unwrap();
        assert_eq!(copied, Copied::Done, "{name}");
        let hold = hold.reopen().await;
        assert!(hold.read(&digest(&whole)).await.is_none(), "{name}: not acknowledged, not visible");
        complete(&hold, &id, &whole, &list).await.unwrap();
        hold.assert_blob(&whole).await;
        assert!(!hold.is_staged(&id).await, "{name}");
    }
}

#[tokio::test]
async fn a_staged_object_that_was_swapped_never_becomes_the_blob() {
    for hold in holds().await {
        let (name, whole, id) = (&hold.name, three_parts(), begin(&hold).await);
        let list = put_all(&hold, &id, &whole).await;
        assert!(matches!(complete(&hold, &id, b"x", &list).await, Err(BlobError::DigestMismatch)), "{name}");
        let mut swapped = whole.clone();
        swapped[7] ^= 1;
        hold.store().put(&format!("uploads/{id}"), swapped).await.unwrap();
        let refused = complete(&hold, &id, &whole, &list).await;
        assert!(matches!(refused, Err(BlobError::StagedLost)), "{name}: {refused:?}");
        assert!(hold.read(&digest(&whole)).await.is_none(), "{name}");
        // What the hold does not show, some stores have copied all the same.
        assert!(is_lax(name) || !hold.is_published(&digest(&whole)).await, "{name}");
        assert_ended(&hold, &id).await;
    }
}

/// As a lifecycle rule of the bucket removes them: parts that are not put together, and the object that was made of them,
/// before and after its proof.
#[tokio::test]
async fn an_upload_whose_staged_bytes_were_removed_ends_and_its_client_begins_anew() {
    for hold in holds().await {
        for step in ["parts", "unproven", "proven"] {
            let (name, whole, id) = (&hold.name, three_parts(), begin(&hold).await);
            let list = put_all(&hold, &id, &whole).await;
            let (key, store) = (format!("uploads/{id}"), hold.store());
            if step == "parts" {
                store.abort_multipart(&key, &multipart(&hold).await).await.unwrap();
            } else {
                let wrong = complete(&hold, &id, b"x", &list).await;
                assert!(matches!(wrong, Err(BlobError::DigestMismatch)), "{name}: {wrong:?}");
                if step == "unproven" {
                    let database = Connection::open(hold.directory.path().join("hold.db")).unwrap();
                    assert_eq!(database.execute("UPDATE bucket_upload SET digest = NULL", []).unwrap(), 1);
                }
                store.delete(&key).await.unwrap();
            }
            let refused = complete(&hold, &id, &whole, &list).await;
            assert!(matches!(refused, Err(BlobError::StagedLost)), "{name} {step}: {refused:?}");
            assert_ended(&hold, &id).await;
            let id = begin(&hold).await;
            let list = put_all(&hold, &id, &whole).await;
            complete(&hold, &id, &whole, &list).await.unwrap();
            hold.assert_blob(&whole).await;
            store.delete(&blob_key(&digest(&whole))).await.unwrap();
        }
    }
}

/// Its session is over, so that it takes no place from others, and nothing of it is staged.
async fn assert_ended(hold: &Hold, id: &UploadId) {
    let account = hold.blobs.session_account(id).await;
    assert!(matches!(account, Err(BlobError::UnknownUpload)), "{}: {account:?}", hold.name);
    assert!(!hold.is_staged(id).await, "{}", hold.name);
}
