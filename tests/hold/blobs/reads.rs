//! Reads of blobs: ranges, and files that are not what the database says.

use std::fs::OpenOptions;

use futures_util::TryStreamExt as _;

use crate::support::blob_hold::{Hold, NOW_US, alice, content, digest};

async fn hold_with(whole: &[u8]) -> Hold {
    let hold = Hold::new().await;
    upload(&hold, whole).await;
    hold
}

async fn upload(hold: &Hold, whole: &[u8]) {
    let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    let etag = hold.part(&id, 1, whole).await.unwrap();
    hold.complete(&id, whole, &[(1, &etag)]).await.unwrap();
}

#[tokio::test]
async fn any_range_is_read_exactly() {
    let whole = content(1, 600_000);
    let hold = hold_with(&whole).await;
    for range in [0..600_000, 0..1, 599_999..600_000, 7..7, 262_143..262_145, 1..524_290] {
        let blob = hold.blobs.open_blob(&digest(&whole), None).await.unwrap().unwrap();
        assert_eq!(blob.size_bytes(), 600_000);
        let chunks = blob.stream(range.clone()).try_collect::<Vec<_>>().await.unwrap();
        assert!(chunks.iter().all(|chunk| chunk.len() <= 256 * 1024), "a reader's memory is bounded");
        let expected = &whole[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        assert!(chunks.concat() == expected, "{range:?}");
    }
}

#[tokio::test]
async fn a_range_beyond_the_end_is_an_error_not_a_short_body() {
    let hold = hold_with(b"short").await;
    let blob = hold.blobs.open_blob(&digest(b"short"), None).await.unwrap().unwrap();
    let outcome = blob.stream(3..6).try_collect::<Vec<_>>().await;
    assert_eq!(outcome.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn unknown_blobs_are_absent() {
    let hold = hold_with(b"known").await;
    assert_eq!(hold.blobs.stat(&digest(b"known"), None).await.unwrap(), Some(5));
    assert_eq!(hold.blobs.stat(&digest(b"unknown"), None).await.unwrap(), None);
    assert!(hold.blobs.open_blob(&digest(b"unknown"), None).await.unwrap().is_none());
}

#[tokio::test]
async fn a_file_of_another_size_counts_as_absent_and_an_upload_heals_it() {
    let whole = content(2, 300_000);
    let hold = hold_with(&whole).await;
    let file = hold.blob_file(&digest(&whole));
    for damage in [Some(299_999), Some(0), Some(300_001), None] {
        match damage {
            Some(size_bytes) => OpenOptions::new().write(true).open(&file).unwrap().set_len(size_bytes).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        assert!(hold.read(&digest(&whole)).await.is_none(), "{damage:?}");
        assert_eq!(hold.blobs.stat(&digest(&whole), None).await.unwrap(), None);
        upload(&hold, &whole).await;
        hold.assert_blob(&whole).await;
    }
}

#[tokio::test]
async fn a_file_without_a_row_is_absent() {
    let hold = Hold::new().await;
    let file = hold.blob_file(&digest(b"planted"));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, b"planted").unwrap();
    assert!(hold.read(&digest(b"planted")).await.is_none());
    assert_eq!(hold.blobs.stat(&digest(b"planted"), None).await.unwrap(), None);
}

#[tokio::test]
async fn a_reader_keeps_its_bytes_while_the_file_is_replaced() {
    let whole = content(3, 600_000);
    let hold = hold_with(&whole).await;
    let blob = hold.blobs.open_blob(&digest(&whole), None).await.unwrap().unwrap();
    let mut body = std::pin::pin!(blob.stream(0..600_000));
    let first = body.try_next().await.unwrap().unwrap();
    std::fs::remove_file(hold.blob_file(&digest(&whole))).unwrap();
    let rest = body.try_collect::<Vec<_>>().await.unwrap().concat();
    assert!([&first[..], &rest].concat() == whole);
}
