//! Pinned copies, whole and in pieces, on each real server.

use atcr_hold::objects::{Copied, CopySource, Objects};
use futures_util::TryStreamExt as _;

use super::{COPY, is_lax, pattern, read, remotes_here};

#[tokio::test]
async fn a_copy_has_the_bytes_whole_or_in_pieces() {
    for bucket in remotes_here() {
        let (name, s3) = (&bucket.name, bucket.open());
        let objects = Objects::in_bucket(s3.clone());
        let limit = usize::try_from(COPY.single_max_bytes).unwrap();
        for (key, size) in [("empty", 0), ("whole", limit), ("pieces", limit + 1), ("more", 2 * limit + 5)] {
            let bytes = pattern(size);
            s3.put("uploads/u/data", bytes.clone()).await.unwrap();
            let etag = s3.stat("uploads/u/data").await.unwrap().unwrap().etag;
            let source = CopySource { key: "uploads/u/data", etag: &etag, size_bytes: size as u64 };
            let copied = s3.copy_pinned(source, key).await.unwrap();
            assert_eq!(copied, Copied::Done, "{name} {key}");
            let object = objects.open_object(key).await.unwrap().unwrap();
            assert!(read(object, 0..size as u64).await.unwrap() == bytes, "{name} {key}");
        }
        let open: Vec<_> = s3.list_multiparts("").try_collect().await.unwrap();
        assert!(open.is_empty(), "{name}: {open:?}");
    }
}

#[tokio::test]
async fn a_source_that_was_swapped_is_not_copied() {
    for bucket in remotes_here() {
        let (name, s3) = (&bucket.name, bucket.open());
        for size in [100, 9 << 20] {
            s3.put("uploads/u/data", pattern(size)).await.unwrap();
            let proven = s3.stat("uploads/u/data").await.unwrap().unwrap();
            let mut swapped = pattern(size);
            swapped[50] ^= 1;
            s3.put("uploads/u/data", swapped).await.unwrap();
            let source = CopySource { key: "uploads/u/data", etag: &proven.etag, size_bytes: size as u64 };
            let copied = s3.copy_pinned(source, "target").await.unwrap();
            assert_eq!(copied, Copied::SourceChanged, "{name} {size}");
            assert!(is_lax(name) || s3.stat("target").await.unwrap().is_none(), "{name} {size}");
            let gone = CopySource { key: "uploads/u/gone", ..source };
            let copied = s3.copy_pinned(gone, "target").await.unwrap();
            assert_eq!(copied, Copied::SourceChanged, "{name} {size}");
        }
        let open: Vec<_> = s3.list_multiparts("").try_collect().await.unwrap();
        assert!(open.is_empty(), "{name}: {open:?}");
    }
}
