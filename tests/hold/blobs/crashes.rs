//! What a restart finds: uploads go on, what nobody owns goes, a completion that was cut off is finished.

use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::PathBuf;

use atcr_hold::blobs::{BlobError, ETag, PartRequest, Swept, UploadId};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};

use crate::support::blob_hold::{Hold, NOW_US, alice, content, digest, part_number, part_request};
use server::daemon::ClockSteps;

const DAY_US: u64 = 86_400_000_000;

fn folder(hold: &Hold, id: &UploadId) -> PathBuf {
    hold.root().join("uploads").join(id.to_string())
}

/// An upload of `whole` in three parts, all received.
async fn three_parts(hold: &Hold, whole: &[u8], order: [u32; 3]) -> (UploadId, Vec<(u32, ETag)>) {
    let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    let third = whole.len() / 3;
    let mut parts = vec![];
    for number in order {
        let start = (number as usize - 1) * third;
        let end = if number == 3 { whole.len() } else { start + third };
        parts.push((number, hold.part(&id, number, &whole[start..end]).await.unwrap()));
    }
    (id, parts)
}

async fn complete(hold: &Hold, id: &UploadId, whole: &[u8], parts: &[(u32, ETag)]) -> Result<(), BlobError> {
    let listed = parts.iter().map(|(number, etag)| (*number, etag)).collect::<Vec<_>>();
    hold.complete(id, whole, &listed).await
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart_between_any_two_parts() {
    let mut hold = Hold::new().await;
    let whole = content(1, 500_003);
    let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    let mut etags = vec![];
    for (bytes, number) in whole.chunks(100_001).zip(1..) {
        hold = hold.reopen().await;
        etags.push((number, hold.part(&id, number, bytes).await.unwrap()));
    }
    hold = hold.reopen().await;
    assert_eq!(hold.staged(&id), ["main"], "the hash went on, so nothing has to be read again");
    complete(&hold, &id, &whole, &etags).await.unwrap();
    hold = hold.reopen().await;
    hold.assert_blob(&whole).await;
    complete(&hold, &id, &whole, &[]).await.unwrap();
}

#[tokio::test]
async fn a_part_cut_off_by_a_restart_is_gone_and_can_be_sent_again() {
    let hold = Hold::new().await;
    let whole = content(2, 400_000);
    let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    let one = hold.part(&id, 1, &whole[..200_000]).await.unwrap();
    // A client that sends this and then nothing; its handler is dropped with the process.
    let body = stream::iter([Ok(Bytes::from(content(3, 300_000)))]).chain(stream::pending());
    let blobs = hold.blobs.clone();
    let mut part =
        Box::pin(async move { blobs.upload_part(part_request(id, &alice(), part_number(2), None), body).await });
    while std::fs::metadata(folder(&hold, &id).join("main")).unwrap().len() < 500_000 {
        assert!(part.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(part);

    let hold = hold.reopen().await;
    let two = hold.part(&id, 2, &whole[200_000..]).await.unwrap();
    complete(&hold, &id, &whole, &[(1, one), (2, two)]).await.unwrap();
    hold.assert_blob(&whole).await;
}

#[tokio::test]
async fn staged_bytes_that_no_upload_owns_go_at_start() {
    let hold = Hold::new().await;
    let whole = content(4, 90_000);
    let (id, parts) = three_parts(&hold, &whole, [1, 3, 2]).await;
    let owned = hold.staged(&id);
    for stray in ["part-9-cut-off", "whole-cut-off"] {
        std::fs::write(folder(&hold, &id).join(stray), b"stray").unwrap();
    }
    let uploads = hold.root().join("uploads");
    for orphan in ["0123456789abcdef0123456789abcdef", "not-an-upload"] {
        std::fs::create_dir(uploads.join(orphan)).unwrap();
        std::fs::write(uploads.join(orphan).join("main"), b"orphan").unwrap();
    }
    let hold = hold.reopen().await;
    assert_eq!(hold.staged(&id), owned);
    assert_eq!(std::fs::read_dir(&uploads).unwrap().count(), 1);
    assert_eq!(std::fs::metadata(&uploads).unwrap().permissions().mode() & 0o777, 0o700);
    complete(&hold, &id, &whole, &parts).await.unwrap();
    hold.assert_blob(&whole).await;
}

#[tokio::test]
async fn a_completion_cut_off_after_the_rename_is_finished_by_a_repeat() {
    let hold = Hold::new().await;
    let whole = content(5, 90_000);
    let (id, parts) = three_parts(&hold, &whole, [1, 2, 3]).await;
    let target = hold.blob_file(&digest(&whole));
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    std::fs::rename(folder(&hold, &id).join("main"), &target).unwrap();

    let hold = hold.reopen().await;
    assert!(hold.read(&digest(&whole)).await.is_none(), "not acknowledged, not visible");
    assert!(matches!(complete(&hold, &id, b"other", &parts).await, Err(BlobError::DigestMismatch)));
    complete(&hold, &id, &whole, &parts).await.unwrap();
    hold.assert_blob(&whole).await;
}

#[tokio::test]
async fn a_completion_cut_off_while_it_assembled_is_repeated() {
    let hold = Hold::new().await;
    let whole = content(6, 90_000);
    let (id, parts) = three_parts(&hold, &whole, [2, 1, 3]).await;
    // Half of what an assembly writes after part 1, and not yet right.
    let main = OpenOptions::new().write(true).open(folder(&hold, &id).join("main")).unwrap();
    main.write_all_at(&[0xff; 75_000], 30_000).unwrap();
    let hold = hold.reopen().await;
    complete(&hold, &id, &whole, &parts).await.unwrap();
    hold.assert_blob(&whole).await;
}

#[tokio::test]
async fn staged_bytes_that_were_lost_never_make_a_blob() {
    for (order, file) in [([1, 2, 3], "main"), ([1, 3, 2], "part")] {
        let hold = Hold::new().await;
        let whole = content(7, 90_000);
        let (id, parts) = three_parts(&hold, &whole, order).await;
        let name = hold.staged(&id).into_iter().find(|name| name.starts_with(file)).unwrap();
        OpenOptions::new().write(true).open(folder(&hold, &id).join(name)).unwrap().set_len(10_000).unwrap();
        if file == "main" {
            assert!(matches!(hold.part(&id, 4, b"after the hole").await, Err(BlobError::Storage(_))));
        }
        assert!(matches!(complete(&hold, &id, &whole, &parts).await, Err(BlobError::Storage(_))));
        assert!(hold.read(&digest(&whole)).await.is_none());
        assert!(!hold.blob_file(&digest(&whole)).exists());
    }
}

#[tokio::test]
async fn stale_uploads_are_swept_and_used_ones_stay() {
    let hold = Hold::new().await;
    let (stale, _) = three_parts(&hold, &content(8, 90_000), [1, 2, 3]).await;
    let finished = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    hold.complete(&finished, b"", &[]).await.unwrap();
    let used = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    let later = NOW_US + DAY_US / 2;
    let body = stream::iter([Ok(Bytes::from_static(b"used"))]);
    let request = PartRequest { now_us: later, ..part_request(used, &alice(), part_number(1), None) };
    let etag = hold.blobs.upload_part(request, body).await.unwrap();
    std::fs::create_dir(hold.root().join("uploads/0123456789abcdef0123456789abcdef")).unwrap();

    let swept = hold.blobs.sweep(NOW_US + DAY_US, &ClockSteps::default()).await.unwrap();
    assert_eq!(swept, Swept { uploads: 0, finished: 0, orphans: 1 });
    hold.complete(&finished, b"", &[]).await.unwrap();
    let swept = hold.blobs.sweep(NOW_US + DAY_US + 1, &ClockSteps::default()).await.unwrap();
    assert_eq!(swept, Swept { uploads: 1, finished: 1, orphans: 0 });
    assert!(matches!(hold.blobs.session_account(&stale).await, Err(BlobError::UnknownUpload)));
    assert!(!folder(&hold, &stale).exists());
    assert!(matches!(hold.complete(&finished, b"", &[]).await, Err(BlobError::UnknownUpload)));
    hold.assert_blob(b"").await;
    hold.complete(&used, b"used", &[(1, &etag)]).await.unwrap();
}
