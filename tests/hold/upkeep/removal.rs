//! Objects whose rows are gone: what was cut off is finished, and what came back stays.

use atcr_hold::blobs::{self, BlobError, BlobSettings, Blobs, Presence, REMOVAL_SETTLED_US, UploadLimits};
use atcr_hold::objects::Presigned;
use atcr_hold::upkeep::{Amount, Problem};
use atproto::syntax::{Did, Digest};

use super::{Stock, digest, forced, key, now_us, read, read_blob, room, upload};
use crate::objects::remotes_here;
use crate::support::blob_hold::{NOW_US, alice, content, frames, list, part_number, part_request};

/// As a process leaves a blob that ends between its row and its object.
async fn doom(stock: &Stock, blob: Digest, at_us: u64) {
    stock.db.write(move |write| blobs::tables::put_pending_deletion(write, &blob, 6, at_us)).await.unwrap();
}

#[tokio::test]
async fn a_removal_that_was_cut_off_is_finished_once_it_is_settled() {
    for stock in Stock::everywhere().await {
        let blob = stock.put_blob(b"doomed").await;
        doom(&stock, blob, now_us()).await;
        let (found, preview) = (stock.verify(true).await, stock.upkeep.collect(forced(true), |_, _| {}).await.unwrap());
        assert_eq!(found.findings.listed, [], "{}: it is not put back", stock.name);
        assert_eq!(preview.unfinished, Amount { count: 1, size_bytes: 6 }, "{}", stock.name);
        let finished = stock.upkeep.finish_removals().await.unwrap();
        let object = stock.objects().stat(&key(&blob)).await.unwrap();
        if stock.name == "files" {
            assert_eq!((finished.count, object), (1, None));
            continue;
        }
        assert_eq!((finished.count, object.is_some()), (0, true), "{}", stock.name);
        // The next collection finishes it too.
        let collected = stock.settled().collect(forced(false), |_, _| {}).await.unwrap();
        assert_eq!((collected.garbage.count, collected.unfinished.count), (0, 0), "{}", stock.name);
        assert_eq!(stock.objects().stat(&key(&blob)).await.unwrap(), None, "{}", stock.name);
        assert!(stock.db.read(move |read| blobs::tables::pending_deletion_us(read, &blob)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_removal_from_while_the_clock_was_ahead_is_finished_too() {
    let stock = Stock::in_memory().await;
    let blob = stock.put_blob(b"doomed").await;
    doom(&stock, blob, now_us() + 365 * 86_400_000_000).await;
    assert_eq!(stock.upkeep.finish_removals().await.unwrap().count, 1);
    assert_eq!(stock.objects().stat(&key(&blob)).await.unwrap(), None);
}

/// As in a database that was restored from a backup, which was made during a collection.
#[tokio::test]
async fn what_was_uploaded_again_since_a_backup_stays() {
    for stock in Stock::everywhere().await {
        let blob = stock.put_blob(b"doomed").await;
        doom(&stock, blob, now_us() - 86_400_000_000).await;
        assert_eq!(stock.upkeep.finish_removals().await.unwrap(), Amount::default(), "{}", stock.name);
        assert!(stock.objects().stat(&key(&blob)).await.unwrap().is_some(), "{}", stock.name);
        assert_eq!(stock.verify(true).await.findings.repaired, 1, "{}", stock.name);
        assert_eq!(stock.recorded(blob).await, Some(6), "{}", stock.name);
    }
}

#[tokio::test]
async fn a_blob_that_came_back_stays() {
    let stock = Stock::in_directory().await;
    let (blobs, upkeep) = room(&stock.root(), &stock.db).await;
    for whole in [&b"doomed"[..], &content(3, 100_000)] {
        upload(&blobs, whole).await;
        doom(&stock, digest(whole), 0).await;
        assert_eq!(read_blob(&blobs, &digest(whole)).await, None);
        upload(&blobs, whole).await;
        assert_eq!(upkeep.finish_removals().await.unwrap(), Amount::default());
        assert_eq!(read_blob(&blobs, &digest(whole)).await.as_deref(), Some(whole));
    }
}

#[tokio::test]
async fn a_blob_that_somebody_uploads_is_left_to_them() {
    let stock = Stock::in_directory().await;
    let (blobs, upkeep) = room(&stock.root(), &stock.db).await;
    upload(&blobs, b"doomed").await;
    let blob = digest(b"doomed");
    doom(&stock, blob, now_us()).await;
    let alone = blobs.digests().lock(&blob).await;
    assert_eq!(upkeep.finish_removals().await.unwrap(), Amount::default());
    assert_eq!(read(&stock.objects(), &key(&blob)).await.as_deref(), Some(&b"doomed"[..]));
    drop(alone);
    assert_eq!(upkeep.finish_removals().await.unwrap().count, 1);
    assert_eq!(read(&stock.objects(), &key(&blob)).await, None);
}

/// A store may carry out a removal late: until that cannot be, nobody is told that the blob is there.
#[tokio::test]
async fn a_bucket_takes_no_blob_that_it_may_still_remove() {
    for bucket in remotes_here() {
        let stock = Stock::in_memory().await;
        let place = blobs::BlobPlace::Bucket { bucket: bucket.open(), presigned: Presigned::None };
        let room =
            Blobs::open(BlobSettings { place, limits: UploadLimits::default() }, stock.db.clone()).await.unwrap();
        let whole = content(1, 5_000);
        let (id, blob) = (room.initiate(&alice(), NOW_US).await.unwrap(), digest(&whole));
        let etag =
            room.upload_part(part_request(id, &alice(), part_number(1), Some(5_000)), frames(&whole)).await.unwrap();
        doom(&stock, blob, NOW_US - REMOVAL_SETTLED_US + 1).await;
        let complete = async || room.complete(&id, &alice(), blob, list(&[(1, &etag)]), NOW_US).await;
        let refused = complete().await.unwrap_err();
        assert!(matches!(refused, BlobError::Unavailable(_)), "{}: {refused}", bucket.name);
        doom(&stock, blob, NOW_US - REMOVAL_SETTLED_US).await;
        complete().await.unwrap();
        assert!(read_blob(&room, &blob).await == Some(whole), "{}", bucket.name);
        assert_eq!(
            stock.db.read(move |read| blobs::tables::pending_deletion_us(read, &blob)).await.unwrap(),
            None,
            "{}",
            bucket.name
        );
    }
}

#[tokio::test]
async fn what_a_repair_judges_is_not_garbage_on_its_way_out() {
    let stock = Stock::in_memory().await;
    let blob = stock.put_blob(b"doomed").await;
    doom(&stock, blob, now_us()).await;
    assert!(stock.verify(true).await.findings.listed.is_empty());
    stock.db.write(move |write| blobs::tables::delete_pending_deletion(write, &blob)).await.unwrap();
    assert_eq!(stock.verify(true).await.findings.listed[0].problem, Problem::Unrecorded);
}

#[tokio::test]
async fn nothing_is_removed_from_another_storage() {
    for stock in [Stock::in_memory().await, Stock::in_directory().await] {
        let blob = stock.put_blob(b"doomed").await;
        doom(&stock, blob, now_us()).await;
        let hold = Did::parse("did:web:hold.example").unwrap();
        let presence = Presence::recorded(stock.objects(), stock.name.clone(), &hold, false, &stock.db).await.unwrap();
        presence.adopt(&stock.db, "own".into()).await.unwrap();
        let upkeep = stock.settled().with_presence(presence.clone());
        stock.put("docker/atcr-hold.json", br#"{"hold":"did:web:other.example","id":"1"}"#).await;
        presence.check().await.unwrap_err();
        let refused = upkeep.finish_removals().await.unwrap_err();
        assert!(refused.to_string().contains("not the hold's own"), "{}: {refused}", stock.name);
        assert!(stock.objects().stat(&key(&blob)).await.unwrap().is_some(), "{}", stock.name);
        presence.adopt(&stock.db, "own".into()).await.unwrap();
        assert_eq!(upkeep.finish_removals().await.unwrap().count, 1, "{}", stock.name);
        assert_eq!(stock.objects().stat(&key(&blob)).await.unwrap(), None, "{}", stock.name);
    }
}
