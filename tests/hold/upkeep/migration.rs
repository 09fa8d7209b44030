//! Moving the blobs to another storage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atcr_hold::blobs;
use atcr_hold::blobs::DigestLock;
use atcr_hold::objects::{Completed, Location};
use atcr_hold::upkeep::{Migrated, Problem, Store, Upkeep, UpkeepError, VerifyOptions};
use bytes::Bytes;
use server::sqlite::Database;
use tempfile::TempDir;

use super::{Stock, digest, key, now_us, read, room, upload};
use crate::objects::{Script, answer, probe_answers, remotes_here};
use crate::support::blob_hold::content;

/// A directory, and a bucket of each real server that is there.
fn targets() -> Vec<(String, Location, Option<TempDir>)> {
    let directory = TempDir::new().unwrap();
    let mut targets = vec![("files".to_owned(), Location::Directory(directory.path().to_owned()), Some(directory))];
    for remote in remotes_here() {
        targets.push((remote.name, Location::Bucket(Box::new(remote.settings)), None));
    }
    targets
}

async fn migrate(upkeep: &Upkeep, to: &Location) -> Migrated {
    upkeep.migrate(to, None, |_, _| {}).await.unwrap()
}

/// Looks after the blobs of `db` as they are at `place`.
async fn at(place: &Location, db: &Database) -> Upkeep {
    Upkeep::new(db.clone(), Store::open(place).await.unwrap(), DigestLock::default(), now_us)
}

/// Reads every blob that is recorded at `place`; answers how many there are.
async fn all_right(place: &Location, db: &Database) -> u64 {
    let verified = at(place, db).await.verify(VerifyOptions::default(), |_, _| {}).await.unwrap();
    assert_eq!(verified.findings.listed, []);
    let totals = db.read(blobs::tables::blob_totals).await.unwrap();
    assert_eq!((verified.right, verified.right_bytes), (totals.blobs, totals.size_bytes));
    totals.blobs
}

#[tokio::test]
async fn every_blob_is_copied_and_none_twice() {
    for (name, place, _directory) in targets() {
        let stock = Stock::in_directory().await;
        for content in [&b""[..], b"small", &content(1, 1 << 20), &content(2, (1 << 20) + 1), &content(3, 33 << 20)] {
            stock.put_blob(content).await;
        }
        let first = migrate(&stock.upkeep, &place).await;
        assert_eq!((first.whole, first.copied.count, first.present.count, first.passes), (true, 5, 5, 2), "{name}");
        assert_eq!(all_right(&place, &stock.db).await, 5, "{name}");
        let again = migrate(&stock.upkeep, &place).await;
        assert_eq!(
            (again.whole, again.copied.count, again.present, again.passes),
            (true, 0, first.present, 1),
            "{name}"
        );
        // One that came since, and one that went there.
        stock.put_blob(b"new").await;
        let objects = Stock::objects_of(&place);
        objects.delete(&key(&digest(b"small"))).await.unwrap();
        let third = migrate(&stock.upkeep, &place).await;
        assert_eq!((third.whole, third.copied.count, third.present.count), (true, 2, 6), "{name}");
        assert_eq!(all_right(&place, &stock.db).await, 6, "{name}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_not_copied_and_said() {
    for (name, place, _directory) in targets() {
        let stock = Stock::in_directory().await;
        stock.put_blob(b"right").await;
        let large = content(5, 2 << 20);
        let mut wrong = large.clone();
        wrong[1 << 20] ^= 1;
        for (right, there) in [(&b"flipped"[..], &b"flipqed"[..]), (b"short", b"shor"), (&large, &wrong)] {
            let digest = stock.put_blob(right).await;
            stock.put(&key(&digest), there).await;
        }
        stock.record(digest(b"missing"), 7).await;
        let migrated = migrate(&stock.upkeep, &place).await;
        assert!(!migrated.whole, "{name}");
        assert_eq!((migrated.copied.count, migrated.findings.wrong), (1, 4), "{name}");
        let objects = Stock::objects_of(&place);
        for digest in [digest(b"flipped"), digest(b"short"), digest(&large), digest(b"missing")] {
            assert_eq!(read(&objects, &key(&digest)).await, None, "{name}");
        }
        let of = |digest| migrated.findings.listed.iter().find(|f| f.digest == Some(digest)).unwrap().problem.clone();
        assert_eq!(of(digest(&large)), Problem::WrongContent, "{name}");
        stock.verify(true).await;
        assert!(migrate(&stock.upkeep, &place).await.whole, "{name}");
        assert_eq!(all_right(&place, &stock.db).await, 1, "{name}");
    }
}

#[tokio::test]
async fn a_wrong_object_of_the_right_size_in_the_target_is_replaced() {
    for (name, place, _directory) in targets() {
        let stock = Stock::in_directory().await;
        let elsewhere = TempDir::new().unwrap();
        stock.put_blob(b"flipped").await;
        let target = Stock::objects_of(&place);
        migrate(&stock.upkeep, &place).await;
        // Another migration in between, so that nothing is known of the first.
        migrate(&stock.upkeep, &Location::Directory(elsewhere.path().to_owned())).await;
        let known = migrate(&stock.upkeep, &place).await;
        assert_eq!((known.copied.count, known.present.count, known.whole), (0, 1, true), "{name}: it was read there");
        Stock::overwrite(&place, &key(&digest(b"flipped")), b"flipqed").await;
        let replaced = migrate(&stock.upkeep, &place).await;
        assert_eq!((replaced.copied.count, replaced.whole), (1, true), "{name}");
        assert_eq!(read(&target, &key(&digest(b"flipped"))).await.as_deref(), Some(&b"flipped"[..]), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn there_and_back_with_uploads_and_interruptions() {
    let mut places: Vec<_> = targets();
    // From the directory of the first target to each of the others in turn, and to another directory at the end.
    let back = TempDir::new().unwrap();
    places.push(("files again".into(), Location::Directory(back.path().to_owned()), None));
    let stock = Stock::in_directory().await;
    for n in 0..40 {
        stock.put_blob(&content(n, 100_000 * usize::from(n % 13))).await;
    }
    let (blobs, upkeep) = room(&stock.root(), &stock.db).await;
    let mut source = upkeep;
    for (name, place, _directory) in &places {
        let is_over = Arc::new(AtomicBool::new(false));
        let uploads = (name == "files").then(|| {
            let (blobs, is_over) = (blobs.clone(), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut uploaded = 0u32;
                while !is_over.load(Ordering::Relaxed) {
                    upload(&blobs, &[&content(77, 50_000)[..], &uploaded.to_be_bytes()].concat()).await;
                    uploaded += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                uploaded
            })
        });
        for cut_ms in [1, 5, 20, 60] {
            let cut = tokio::time::timeout(Duration::from_millis(cut_ms), source.migrate(place, None, |_, _| {})).await;
            assert!(!matches!(cut, Ok(Err(_))), "{name}: {cut:?}");
        }
        migrate(&source, place).await;
        is_over.store(true, Ordering::Relaxed);
        if let Some(uploads) = uploads {
            assert!(uploads.await.unwrap() > 0);
        }
        // Nothing more comes: as after the stop of the hold.
        assert!(migrate(&source, place).await.whole, "{name}");
        assert!(all_right(place, &stock.db).await > 40, "{name}");
        source = at(place, &stock.db).await;
    }
}

#[tokio::test]
async fn an_upload_that_another_hold_makes_in_the_target_goes_on() {
    for (name, place, _directory) in targets() {
        let stock = Stock::in_directory().await;
        stock.put_blob(b"blob").await;
        let Some(bucket) = Stock::objects_of(&place).bucket().cloned() else { continue };
        let key = key(&digest(b"of another hold"));
        let id = bucket.create_multipart(&key).await.unwrap();
        let part = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"of another hold"))]);
        let etag = bucket.upload_part(&key, &id, 1, 15, part).await.unwrap();
        assert!(migrate(&stock.upkeep, &place).await.whole, "{name}");
        let completed = bucket.complete_multipart(&key, &id, &[(1, etag)]).await.unwrap();
        assert!(matches!(completed, Completed::Object(_)), "{name}: {completed:?}");
    }
}

#[tokio::test]
async fn places_that_cannot_be_are_refused() {
    let stock = Stock::in_directory().await;
    stock.put_blob(b"x").await;
    let refused = |outcome: Result<Migrated, UpkeepError>| outcome.unwrap_err();
    let same = stock.upkeep.migrate(&Location::Directory(stock.root().join(".")), None, |_, _| {}).await;
    assert!(matches!(refused(same), UpkeepError::SamePlace));
    let nowhere = stock.upkeep.migrate(&Location::Directory(stock.root().join("nowhere")), None, |_, _| {}).await;
    assert!(matches!(refused(nowhere), UpkeepError::UnusableTarget(_)));
    let target = TempDir::new().unwrap();
    let place = Location::Directory(target.path().to_owned());
    let (first, second) =
        tokio::join!(stock.upkeep.migrate(&place, None, |_, _| {}), stock.upkeep.migrate(&place, None, |_, _| {}));
    assert!(first.unwrap().whole);
    assert!(matches!(refused(second), UpkeepError::Busy));
}

#[tokio::test]
async fn what_another_hold_has_put_into_the_target_since_it_was_listed_is_not_removed() {
    let (whole, stock) = ("w".repeat((1 << 20) + 1), Stock::in_directory().await);
    let blob = stock.put_blob(whole.as_bytes()).await;
    let head = || answer("200 OK", &format!("etag: \"e\"\r\ncontent-length: {}\r\n", whole.len()), "");
    let bytes = || answer("200 OK", "etag: \"e\"\r\n", &whole);
    let list = |items: &str| answer("200 OK", "", &format!("<ListBucketResult>{items}</ListBucketResult>"));
    let item = format!(
        "<Contents><Key>folder/{}</Key><Size>{}</Size><ETag>e</ETag>\
         <LastModified>2026-01-01T00:00:00Z</LastModified></Contents>",
        key(&blob),
        whole.len()
    );
    let uploads = answer("200 OK", "", "<ListMultipartUploadsResult></ListMultipartUploadsResult>");
    let looked_at = [list(""), head(), head(), bytes(), list(&item)];
    let script = Script::new(probe_answers("", "").into_iter().chain([uploads]).chain(looked_at)).await;
    let outcome = stock.upkeep.migrate(&Location::Bucket(Box::new(script.settings.clone())), None, |_, _| {}).await;
    let removed = format!("DELETE /bucket/folder/{}", key(&blob));
    assert!(!script.requests().contains(&removed), "{outcome:?}");
    assert!(outcome.unwrap().whole);
}
