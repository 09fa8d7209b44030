//! Parts by URLs of the store: what becomes a blob, and what does not.

use atcr_hold::blobs::{BlobError, UploadLimits};

use super::{MIB, begin, complete, holds, holds_with, part_url, put, put_all, three_parts};
use crate::support::blob_hold::{NOW_US, alice, bob, digest, part_number};
use crate::support::hold::Call;

#[tokio::test]
async fn parts_in_any_order_and_repeated_become_the_blob() {
    for hold in holds().await {
        let (name, whole, id) = (&hold.name, three_parts(), begin(&hold).await);
        assert!(!hold.is_staged(&id).await, "{name}: an upload costs the store nothing before its first part");
        let replaced = put(&hold, &id, 1, &whole[MIB..6 * MIB]).await;
        let list = put_all(&hold, &id, &whole).await;
        let [third, second, first] = [&list[0], &list[1], &list[2]];
        // SeaweedFS keeps a part that was replaced, and takes it still.
        let old = if *name == "seaweedfs" { third.1.clone() } else { replaced };
        for wrong in [
            vec![second.clone()],
            vec![first.clone(), third.clone()],
            vec![first.clone(), second.clone(), second.clone()],
            vec![(1, old), second.clone(), third.clone()],
            vec![(1, String::new()), second.clone(), third.clone()],
            vec![(1, "\"".to_owned()), second.clone(), third.clone()],
            vec![first.clone(), second.clone(), third.clone(), (4, third.1.clone())],
        ] {
            let refused = complete(&hold, &id, &whole, &wrong).await;
            let told = matches!(&refused, Err(BlobError::PartsRefused { code }) if !code.is_empty());
            assert!(told || matches!(refused, Err(BlobError::MissingParts)), "{name} {wrong:?}: {refused:?}");
        }
        assert!(!hold.is_published(&digest(&whole)).await, "{name}");
        let bare: Vec<_> = list.iter().map(|(number, etag)| (*number, etag.trim_matches('"').to_owned())).collect();
        complete(&hold, &id, &whole, &bare).await.unwrap();
        hold.assert_blob(&whole).await;
        assert!(!hold.is_staged(&id).await, "{name}");
        complete(&hold, &id, &whole, &list).await.unwrap();
        complete(&hold, &id, &whole, &[]).await.unwrap();
    }
}

#[tokio::test]
async fn a_part_that_is_too_small_is_told_where_the_store_minds() {
    for hold in holds().await.into_iter().filter(|hold| hold.name != "garage") {
        let (whole, id) = (three_parts(), begin(&hold).await);
        let small = put(&hold, &id, 1, &whole[..MIB]).await;
        let rest = put(&hold, &id, 2, &whole[MIB..]).await;
        let list = [(1, small), (2, rest)];
        let refused = complete(&hold, &id, &whole, &list).await;
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("EntityTooSmall") && text.contains("5 MiB"), "{}: {text}", hold.name);
        let list = put_all(&hold, &id, &whole).await;
        complete(&hold, &id, &whole, &list).await.unwrap();
        hold.assert_blob(&whole).await;
    }
}

#[tokio::test]
async fn an_old_part_url_changes_nothing() {
    for hold in holds().await {
        let (whole, id) = (three_parts(), begin(&hold).await);
        let list = put_all(&hold, &id, &whole).await;
        let old = part_url(&hold, &id, 1).await;
        complete(&hold, &id, &whole, &list).await.unwrap();
        // Short, so that a store which refuses at once has read all of it and its answer arrives.
        let late = Call::to("PUT", &old).body(vec![0; 1024]).send().await;
        assert!(late.status >= 400, "{}: {}", hold.name, late.status);
        hold.assert_blob(&whole).await;
        assert!(!hold.is_staged(&id).await, "{}", hold.name);
        let asked = hold.blobs.part_target(&id, &alice(), part_number(2), NOW_US).await;
        assert!(matches!(asked, Err(BlobError::UnknownUpload)), "{}", hold.name);
    }
}

#[tokio::test]
async fn a_wrong_digest_makes_nothing_visible_and_the_right_one_still_does() {
    for hold in holds().await {
        let (name, whole, id) = (hold.name.clone(), three_parts(), begin(&hold).await);
        let list = put_all(&hold, &id, &whole).await;
        for _ in 0..2 {
            let refused = complete(&hold, &id, b"something else", &list).await;
            assert!(matches!(refused, Err(BlobError::DigestMismatch)), "{name}: {refused:?}");
        }
        let empty = complete(&hold, &id, &whole, &[]).await;
        assert!(matches!(empty, Err(BlobError::DigestMismatch)), "{name}: {empty:?}");
        for wrong in [digest(b"something else"), digest(&whole)] {
            assert!(!hold.is_published(&wrong).await && hold.read(&wrong).await.is_none(), "{name}");
        }
        let hold = hold.reopen().await;
        complete(&hold, &id, &whole, &list).await.unwrap();
        hold.assert_blob(&whole).await;
        assert!(!hold.is_staged(&id).await, "{name}");
    }
}

#[tokio::test]
async fn a_digest_that_is_there_already_ends_the_upload() {
    for hold in holds().await {
        let (name, whole) = (&hold.name, three_parts());
        for _ in 0..2 {
            let id = begin(&hold).await;
            let list = put_all(&hold, &id, &whole).await;
            complete(&hold, &id, &whole, &list).await.unwrap();
            assert!(!hold.is_staged(&id).await, "{name}");
        }
        // The bytes of one that was lost come back by an upload.
        let id = begin(&hold).await;
        let list = put_all(&hold, &id, &whole).await;
        hold.store().delete(&crate::support::blob_hold::blob_key(&digest(&whole))).await.unwrap();
        complete(&hold, &id, &whole, &list).await.unwrap();
        hold.assert_blob(&whole).await;
        let empty = begin(&hold).await;
        complete(&hold, &empty, b"", &[]).await.unwrap();
        hold.assert_blob(b"").await;
    }
}

#[tokio::test]
async fn calls_at_once_have_some_order() {
    for hold in holds().await {
        for round in 0..6 {
            let (name, whole, id) = (&hold.name, format!("round {round}").into_bytes(), begin(&hold).await);
            let list = put_all(&hold, &id, &whole).await;
            let (first, second) =
                tokio::join!(complete(&hold, &id, &whole, &list), complete(&hold, &id, &whole, &list));
            assert!(first.is_ok() && second.is_ok(), "{name}: {first:?} {second:?}");

            let (other, id) = (format!("other {round}").into_bytes(), begin(&hold).await);
            let list = put_all(&hold, &id, &other).await;
            let alice = alice();
            let (aborted, completed) = tokio::join!(hold.blobs.abort(&id, &alice), complete(&hold, &id, &other, &list));
            assert_ne!(aborted.is_ok(), completed.is_ok(), "{name}: {aborted:?} {completed:?}");
            assert_eq!(hold.is_published(&digest(&other)).await, completed.is_ok(), "{name}");
            assert!(!hold.is_staged(&id).await, "{name}");
        }
    }
}

#[tokio::test]
async fn only_the_account_that_began_gets_urls() {
    for hold in holds().await {
        let id = begin(&hold).await;
        for _ in 0..2 {
            let foreign = hold.blobs.part_target(&id, &bob(), part_number(1), NOW_US).await;
            assert!(matches!(foreign, Err(BlobError::UnknownUpload)), "{}", hold.name);
            // From now on the upload is remembered.
            part_url(&hold, &id, 1).await;
        }
        hold.blobs.abort(&id, &alice()).await.unwrap();
        assert!(!hold.is_staged(&id).await, "{}", hold.name);
        let gone = hold.blobs.part_target(&id, &alice(), part_number(1), NOW_US).await;
        assert!(matches!(gone, Err(BlobError::UnknownUpload)), "{}", hold.name);
    }
}

#[tokio::test]
async fn a_blob_that_is_too_large_is_told_when_its_size_is_known() {
    let limits = UploadLimits { max_blob_bytes: 6 * MIB as u64, ..UploadLimits::default() };
    for hold in holds_with(&limits).await {
        let (whole, id) = (three_parts(), begin(&hold).await);
        let list = put_all(&hold, &id, &whole).await;
        for _ in 0..2 {
            let refused = complete(&hold, &id, &whole, &list).await;
            assert!(matches!(refused, Err(BlobError::BlobTooLarge { limit_bytes: 6_291_456 })), "{}", hold.name);
        }
        assert!(!hold.is_published(&digest(&whole)).await, "{}", hold.name);
        hold.blobs.abort(&id, &alice()).await.unwrap();
        assert!(!hold.is_staged(&id).await, "{}", hold.name);
    }
}
