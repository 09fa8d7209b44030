//! Completions that ended between two steps: what the next process finds is made by hand, and the repeated call
//! must go on from there.

use atcr_hold::blobs::BlobError;
use atcr_hold::objects::{Completed, Copied};
use futures_util::TryStreamExt as _;

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
        let copied = hold.store().copy_pinned(&from, &etag, &to, whole.len() as u64).await.unwrap();
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
        for _ in 0..2 {
            let refused = complete(&hold, &id, &whole, &list).await;
            assert!(matches!(refused, Err(BlobError::Storage(_))), "{name}: {refused:?}");
            assert!(hold.read(&digest(&whole)).await.is_none(), "{name}");
            // What the hold does not show, some stores have copied all the same.
            assert!(is_lax(name) || !hold.is_published(&digest(&whole)).await, "{name}");
        }
    }
}
