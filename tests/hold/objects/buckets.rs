//! Uploads in parts, on each real server.

use atcr_hold::objects::{Bucket, Completed, Credentials, Objects, PartError};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use server::storage::StorageError;

use super::{buckets_here, nobody_listens, pattern, read, remotes_here};

const MIB: usize = 1 << 20;

/// Sends a part in small chunks, as a request does.
pub(super) async fn send(s3: &Bucket, key: &str, id: &str, number: u16, bytes: &[u8]) -> String {
    let chunks: Vec<_> = bytes.chunks(64 * 1024).map(|chunk| Ok::<_, ()>(Bytes::copy_from_slice(chunk))).collect();
    s3.upload_part(key, id, number, bytes.len() as u64, stream::iter(chunks)).await.unwrap()
}

async fn open_uploads(s3: &Bucket, folder: &str) -> Vec<(String, String)> {
    s3.list_multiparts(folder).map_ok(|open| (open.key, open.id)).try_collect().await.unwrap()
}

#[tokio::test]
async fn parts_become_one_object_whatever_the_order() {
    for bucket in remotes_here() {
        let (name, s3) = (&bucket.name, bucket.open());
        let bytes = pattern(11 * MIB + 17);
        let id = s3.create_multipart("uploads/u/data").await.unwrap();
        let third = send(&s3, "uploads/u/data", &id, 3, &bytes[10 * MIB..]).await;
        let first = send(&s3, "uploads/u/data", &id, 1, &pattern(6 * MIB)[MIB..]).await;
        let again = send(&s3, "uploads/u/data", &id, 1, &bytes[..5 * MIB]).await;
        let second = send(&s3, "uploads/u/data", &id, 2, &bytes[5 * MIB..10 * MIB]).await;
        assert_ne!(first, again, "{name}");
        let mut parts = s3.list_parts("uploads/u/data", &id).await.unwrap().unwrap();
        // SeaweedFS still lists the part that was replaced.
        parts.retain(|part| part.etag.trim_matches('"') != first.trim_matches('"'));
        let listed = parts.into_iter().map(|part| (part.number, part.size_bytes, part.etag));
        let five = 5 * MIB as u64;
        let expected = [(1, five, again.clone()), (2, five, second.clone()), (3, MIB as u64 + 17, third.clone())];
        assert_eq!(listed.collect::<Vec<_>>(), expected, "{name}");
        if s3.signs_parts() {
            assert_eq!(open_uploads(&s3, "uploads").await, [("uploads/u/data".to_owned(), id.clone())], "{name}");
        }
        assert_eq!(s3.stat("uploads/u/data").await.unwrap(), None, "{name}: nothing is visible before");

        // Quoted and bare, out of order.
        let list = [(3, third.trim_matches('"').to_owned()), (1, again), (2, second)];
        let completed = s3.complete_multipart("uploads/u/data", &id, &list).await.unwrap();
        let Completed::Object(info) = completed else { panic!("{name}: {completed:?}") };
        assert_eq!(info.size_bytes, bytes.len() as u64, "{name}");
        let object = Objects::in_bucket(s3.clone()).open_object("uploads/u/data").await.unwrap().unwrap();
        assert!(read(object, 0..bytes.len() as u64).await.unwrap() == bytes, "{name}");
        let repeated = s3.complete_multipart("uploads/u/data", &id, &list).await.unwrap();
        assert_eq!(repeated, Completed::Object(info), "{name}: an answer that was lost is asked for again");
        assert_eq!(open_uploads(&s3, "uploads").await, [], "{name}");
    }
}

#[tokio::test]
async fn a_list_that_is_not_what_was_sent_is_told() {
    for bucket in remotes_here() {
        let (name, s3) = (&bucket.name, bucket.open());
        let id = s3.create_multipart("uploads/u/data").await.unwrap();
        let etag = send(&s3, "uploads/u/data", &id, 1, b"whole").await;
        let wrong = [
            vec![(1, "\"00000000000000000000000000000000\"".to_owned())],
            vec![(1, etag.clone()), (2, etag.clone())],
            vec![(1, "</ETag>&\"".to_owned())],
        ];
        for list in wrong {
            let completed = s3.complete_multipart("uploads/u/data", &id, &list).await.unwrap();
            let Completed::WrongParts { code } = completed else { panic!("{name} {list:?}: {completed:?}") };
            assert!(!code.is_empty(), "{name} {list:?}");
        }
        // It is as it was.
        let completed = s3.complete_multipart("uploads/u/data", &id, &[(1, etag)]).await.unwrap();
        assert!(matches!(completed, Completed::Object(info) if info.size_bytes == 5), "{name}");
    }
}

#[tokio::test]
async fn an_upload_that_was_dropped_is_unknown() {
    for bucket in buckets_here() {
        let (name, s3) = (&bucket.name, bucket.open());
        let id = s3.create_multipart("uploads/u/data").await.unwrap();
        let etag = send(&s3, "uploads/u/data", &id, 1, b"whole").await;
        s3.abort_multipart("uploads/u/data", &id).await.unwrap();
        s3.abort_multipart("uploads/u/data", &id).await.unwrap();
        assert_eq!(s3.list_parts("uploads/u/data", &id).await.unwrap(), None, "{name}");
        let late = s3.upload_part("uploads/u/data", &id, 1, 1, stream::iter([Ok::<_, ()>(Bytes::from_static(b"x"))]));
        assert!(matches!(late.await, Err(PartError::UnknownUpload)), "{name}");
        let completed = s3.complete_multipart("uploads/u/data", &id, &[(1, etag)]).await.unwrap();
        assert_eq!(completed, Completed::Unknown, "{name}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_no_part() {
    for bucket in remotes_here() {
        let (name, s3) = (&bucket.name, bucket.open());
        let id = s3.create_multipart("uploads/u/data").await.unwrap();
        let chunk = || Ok(Bytes::from(vec![7; 64 * 1024]));
        let cut = stream::iter([chunk(), chunk(), Err("the client went away")]);
        let outcome = s3.upload_part("uploads/u/data", &id, 1, MIB as u64, cut).await;
        assert!(matches!(outcome, Err(PartError::Body("the client went away"))), "{name}: {outcome:?}");
        let short = stream::iter([Ok::<_, ()>(Bytes::from_static(b"four"))]);
        let outcome = s3.upload_part("uploads/u/data", &id, 1, 5, short).await;
        assert!(matches!(outcome, Err(PartError::TooShort)), "{name}: {outcome:?}");
        assert!(s3.list_parts("uploads/u/data", &id).await.unwrap().unwrap_or_default().is_empty(), "{name}");
        s3.abort_multipart("uploads/u/data", &id).await.unwrap();
    }
}

#[tokio::test]
async fn a_part_of_many_chunks_is_not_kept_in_memory() {
    for bucket in remotes_here() {
        let (name, s3) = (&bucket.name, bucket.open());
        let id = s3.create_multipart("uploads/u/data").await.unwrap();
        let chunk = Bytes::from(pattern(MIB));
        let body = stream::repeat_with(move || Ok::<_, ()>(chunk.clone())).take(64);
        let etag = s3.upload_part("uploads/u/data", &id, 1, 64 << 20, body).await.unwrap();
        let completed = s3.complete_multipart("uploads/u/data", &id, &[(1, etag)]).await.unwrap();
        assert!(matches!(completed, Completed::Object(info) if info.size_bytes == 64 << 20), "{name}");
    }
}

#[tokio::test]
async fn a_store_that_refuses_says_so_without_names() {
    for mut bucket in buckets_here() {
        let right = bucket.settings.clone();
        bucket.settings.credentials = match right.credentials.clone() {
            Credentials::Keys { id, .. } => {
                Credentials::Keys { id, secret: "0".repeat(64).into(), session_token: None }
            }
            role @ Credentials::Role(_) => role,
        };
        let mut refusals = vec![bucket.open().put("k", b"x".as_slice()).await.unwrap_err()];
        bucket.settings = right.clone();
        bucket.settings.bucket = "there-is-no-such-bucket".into();
        refusals.push(bucket.open().put("k", b"x".as_slice()).await.unwrap_err());
        for refusal in refusals {
            assert!(matches!(refusal, StorageError::Refused(_)), "{}: {refusal:?}", bucket.name);
            for secret in [right.prefix.as_str(), "127.0.0.1", "no-such-bucket", "0000"] {
                assert!(!format!("{refusal} {refusal:?}").contains(secret), "{}: {refusal:?}", bucket.name);
            }
        }
    }
}

#[tokio::test]
async fn a_store_that_is_not_there_is_unavailable() {
    let Some(mut bucket) = buckets_here().into_iter().next() else { return };
    let (_socket, nobody) = nobody_listens();
    bucket.settings.endpoint = Some(format!("http://{nobody}"));
    let error = bucket.open().stat("k").await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("127.0.0.1"), "{error:?}");
}
