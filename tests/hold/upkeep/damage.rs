//! Everything that can be wrong with a blob is found, and repaired when that is asked for.

use atcr_hold::blobs::{BlobError, Presence, PresenceError, tables};
use atcr_hold::objects::Objects;
use atcr_hold::upkeep::{Amount, BlobFinding, BlobsVerified, Problem, Repair, Store, UpkeepError};
use atproto::syntax::{Did, Digest};
use server::metrics::Gauge;
use server::storage::StorageError;

use super::{Stock, digest, key, of, read, read_blob, room, upload};
use crate::objects::{Script, answer, found, lost, rest_from};
use crate::support::blob_hold::{NOW_US, alice, content, frames, list, part_number, part_request};

/// One blob of each kind of damage, by name.
struct Damaged {
    flipped: Digest,
    short: Digest,
    misrecorded: Digest,
    missing: Digest,
    unrecorded: Digest,
    unrecorded_wrong: Digest,
}

async fn damage(stock: &Stock) -> Damaged {
    for right in [&b""[..], b"right", &content(1, 3 << 20)] {
        stock.put_blob(right).await;
    }
    let flipped = stock.put_blob(b"flipped").await;
    stock.put(&key(&flipped), b"flipqed").await;
    let short = stock.put_blob(b"short").await;
    stock.put(&key(&short), b"shor").await;
    let misrecorded = stock.put_blob(b"misrecorded").await;
    stock.record(misrecorded, 12).await;
    let missing = digest(b"missing");
    stock.record(missing, 7).await;
    let unrecorded = digest(b"unrecorded");
    stock.put(&key(&unrecorded), b"unrecorded").await;
    let unrecorded_wrong = digest(b"unrecorded and wrong");
    stock.put(&key(&unrecorded_wrong), b"what is it").await;
    stock.put("docker/registry/v2/blobs/sha256/zz/foreign", b"x").await;
    stock.put("elsewhere", b"not looked at").await;
    Damaged { flipped, short, misrecorded, missing, unrecorded, unrecorded_wrong }
}

/// What is to be found, and with a repair what is to be done.
fn expected(damaged: &Damaged, repair: bool) -> Vec<BlobFinding> {
    let done = |repaired| if repair { Some(repaired) } else { None };
    let blob =
        |digest, problem, repaired| BlobFinding { digest: Some(digest), key: None, problem, repair: done(repaired) };
    let mut findings = vec![
        blob(damaged.flipped, Problem::WrongContent, Repair::Quarantined),
        blob(damaged.short, Problem::WrongSize { recorded_bytes: 5, found_bytes: 4 }, Repair::Quarantined),
        blob(damaged.misrecorded, Problem::WrongRecord { recorded_bytes: 12, found_bytes: 11 }, Repair::Recorded),
        blob(damaged.missing, Problem::Missing, Repair::Forgotten),
        blob(damaged.unrecorded, Problem::Unrecorded, Repair::Recorded),
        blob(damaged.unrecorded_wrong, Problem::UnrecordedWrong, Repair::Quarantined),
        BlobFinding {
            digest: None,
            key: Some("docker/registry/v2/blobs/sha256/zz/foreign".into()),
            problem: Problem::Foreign,
            repair: None,
        },
    ];
    findings.sort_unstable();
    findings
}

fn counts(verified: &BlobsVerified) -> (u64, u64, u64, u64, u64) {
    let BlobsVerified { right, right_bytes, findings } = verified;
    (*right, *right_bytes, findings.wrong, findings.noted, findings.repaired)
}

#[tokio::test]
async fn every_kind_of_damage_is_found_and_nothing_is_changed() {
    for stock in Stock::everywhere().await {
        let damaged = damage(&stock).await;
        for _ in 0..2 {
            let verified = stock.verify(false).await;
            assert_eq!(verified.findings.listed, expected(&damaged, false), "{}", stock.name);
            assert_eq!(counts(&verified), (3, 5 + (3 << 20), 5, 2, 0), "{}", stock.name);
            let runs = stock.upkeep.runs();
            assert_eq!([&runs.wrong, &runs.noted, &runs.repaired].map(Gauge::get), [5, 2, 0], "{}", stock.name);
        }
    }
}

#[tokio::test]
async fn a_repair_leaves_right_blobs_and_absent_ones() {
    for stock in Stock::everywhere().await {
        let damaged = damage(&stock).await;
        let verified = stock.verify(true).await;
        assert_eq!(verified.findings.listed, expected(&damaged, true), "{}", stock.name);
        assert_eq!(counts(&verified), (3, 5 + (3 << 20), 5, 2, 6), "{}", stock.name);
        let objects = stock.objects();
        for (digest, was) in
            [(damaged.flipped, &b"flipqed"[..]), (damaged.short, b"shor"), (damaged.unrecorded_wrong, b"what is it")]
        {
            assert_eq!(stock.recorded(digest).await, None, "{}", stock.name);
            assert_eq!(read(&objects, &key(&digest)).await, None, "{}", stock.name);
            let aside = read(&objects, &format!("quarantine/{}", digest.hex())).await;
            assert_eq!(aside.as_deref(), Some(was), "{}", stock.name);
        }
        assert_eq!(stock.recorded(damaged.missing).await, None, "{}", stock.name);
        assert_eq!(stock.recorded(damaged.misrecorded).await, Some(11), "{}", stock.name);
        assert_eq!(stock.recorded(damaged.unrecorded).await, Some(10), "{}", stock.name);
        let again = stock.verify(true).await;
        assert_eq!(counts(&again), (5, 5 + (3 << 20) + 11 + 10, 0, 1, 0), "{}", stock.name);
    }
}

#[tokio::test]
async fn every_flipped_byte_is_found() {
    let stock = Stock::in_memory().await;
    let whole = content(3, 257);
    let digest = stock.put_blob(&whole).await;
    for at in 0..whole.len() {
        let mut wrong = whole.clone();
        wrong[at] ^= 1 << (at % 8);
        stock.put(&key(&digest), &wrong).await;
        let verified = stock.verify(false).await;
        assert_eq!((verified.right, verified.findings.wrong), (0, 1), "byte {at}");
        assert_eq!(of(&verified, &digest)[0].problem, Problem::WrongContent);
    }
    stock.put(&key(&digest), &whole).await;
    assert_eq!(counts(&stock.verify(false).await), (1, 257, 0, 0, 0));
}

#[tokio::test]
async fn what_a_repair_took_away_an_upload_brings_back() {
    let stock = Stock::in_directory().await;
    let (blobs, upkeep) = room(&stock.root(), &stock.db).await;
    let contents: Vec<_> = (0..6).map(|seed| content(seed, 40_000 + usize::from(seed))).collect();
    for content in &contents {
        upload(&blobs, content).await;
    }
    for (index, content) in contents.iter().enumerate() {
        let path = stock.root().join(key(&digest(content)));
        match index % 3 {
            0 => std::fs::write(&path, vec![0; content.len()]).unwrap(),
            1 => std::fs::write(&path, b"").unwrap(),
            _ => std::fs::remove_file(&path).unwrap(),
        }
    }
    let verified = upkeep.verify(super::VerifyOptions { repair: true, bytes_per_s: None }, |_, _| {}).await.unwrap();
    assert_eq!(counts(&verified), (0, 0, 6, 0, 6));
    for content in &contents {
        assert_eq!(read_blob(&blobs, &digest(content)).await, None);
        upload(&blobs, content).await;
        assert!(read_blob(&blobs, &digest(content)).await.as_deref() == Some(content));
    }
    assert_eq!(stock.verify(true).await.findings.wrong, 0);
}

#[tokio::test]
async fn a_completion_that_is_repeated_does_not_speak_for_a_blob_that_was_taken_away() {
    let stock = Stock::in_directory().await;
    let (blobs, _) = room(&stock.root(), &stock.db).await;
    let id = blobs.initiate(&alice(), NOW_US).await.unwrap();
    let etag = blobs.upload_part(part_request(id, &alice(), part_number(1), Some(5)), frames(b"whole")).await.unwrap();
    let account = alice();
    let complete = || blobs.complete(&id, &account, digest(b"whole"), list(&[(1, &etag)]), NOW_US);
    complete().await.unwrap();
    complete().await.unwrap();
    std::fs::write(stock.root().join(key(&digest(b"whole"))), b"wrong").unwrap();
    assert_eq!(stock.verify(true).await.findings.repaired, 1);
    assert!(matches!(complete().await, Err(BlobError::UnknownUpload)));
}

#[tokio::test]
async fn usage_names_the_differences() {
    for stock in Stock::everywhere().await {
        damage(&stock).await;
        stock.put("uploads/one/main", b"12345").await;
        let usage = stock.upkeep.usage(|_, _| {}).await.unwrap();
        let amount = |count, size_bytes| Amount { count, size_bytes };
        let big = 3 << 20;
        assert_eq!(usage.recorded, amount(7, 5 + big + 7 + 5 + 12 + 7), "{}", stock.name);
        assert_eq!(usage.stored, amount(8, 5 + big + 7 + 4 + 11 + 10 + 10), "{}", stock.name);
        assert_eq!(usage.missing, amount(1, 7), "{}", stock.name);
        assert_eq!(usage.other_size, amount(2, 4 + 11), "{}", stock.name);
        assert_eq!(usage.unrecorded, amount(2, 20), "{}", stock.name);
        assert_eq!(usage.foreign, amount(1, 1), "{}", stock.name);
        assert_eq!(usage.quarantined, amount(0, 0), "{}", stock.name);
        assert_eq!((usage.staged.uploads, usage.staged.objects), (0, amount(1, 5)), "{}", stock.name);
        assert_eq!(usage.staged.multiparts, amount(0, 0), "{}", stock.name);
        assert_eq!(usage.free_bytes.is_some(), stock.name == "files");
        stock.verify(true).await;
        let usage = stock.upkeep.usage(|_, _| {}).await.unwrap();
        assert_eq!(usage.quarantined, amount(3, 7 + 4 + 10), "{}", stock.name);
        assert_eq!((usage.recorded, usage.missing.count), (usage.stored, 0), "{}", stock.name);
    }
}

#[tokio::test]
async fn a_restored_database_is_completed_from_what_is_there() {
    // More than one folder's worth of objects that no row knows.
    let stock = Stock::in_memory().await;
    for n in 0..600u32 {
        let bytes = n.to_be_bytes();
        stock.put(&key(&digest(&bytes)), &bytes).await;
    }
    let verified = stock.verify(false).await;
    assert_eq!(counts(&verified), (0, 0, 0, 600, 0));
    assert_eq!(stock.verify(true).await.findings.repaired, 600);
    assert_eq!(counts(&stock.verify(false).await), (600, 2400, 0, 0, 0));
}

#[tokio::test]
async fn blobs_of_a_storage_that_goes_away_meanwhile_are_not_forgotten() {
    let stock = Stock::in_directory().await;
    let mut blobs = vec![];
    for seed in 0..20 {
        blobs.push(stock.put_blob(&content(seed, 1_000)).await);
    }
    let hold = Did::parse("did:web:hold.example").unwrap();
    let presence = Presence::recorded(stock.objects(), stock.name.clone(), &hold, false, &stock.db).await.unwrap();
    presence.adopt(&stock.db, "own".into()).await.unwrap();
    let upkeep = stock.upkeep.clone().with_presence(presence);
    for repair in [false, true] {
        let (there, away) = (stock.root().join("docker"), stock.root().join("away"));
        let unmounting = (there.clone(), away.clone());
        // As when a disk is unmounted once some blobs were read.
        let unmount = move |done, _| {
            if done > 0 && unmounting.0.exists() {
                std::fs::rename(&unmounting.0, &unmounting.1).unwrap();
            }
        };
        let options = super::VerifyOptions { repair, bytes_per_s: None };
        let ended = upkeep.verify(options, unmount).await;
        assert!(matches!(ended, Err(UpkeepError::Presence(PresenceError::Missing { .. }))), "{ended:?}");
        for blob in &blobs {
            assert_eq!(stock.recorded(*blob).await, Some(1_000));
        }
        std::fs::rename(away, there).unwrap();
    }
    assert_eq!(upkeep.verify(super::VerifyOptions::default(), |_, _| {}).await.unwrap().right, 20);
}

/// A store may remove the object late: until that cannot be, nobody is told that the blob is there.
#[tokio::test]
async fn a_wrong_blob_that_a_bucket_may_still_remove_is_not_taken_again() {
    let blob = digest(b"right");
    let item = format!(
        "<Contents><Key>folder/{}</Key><Size>5</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>",
        key(&blob)
    );
    let listing = || answer("200 OK", "", &format!("<ListBucketResult>{item}</ListBucketResult>"));
    let wrong = || rest_from(0, "wrong");
    let copied = answer("200 OK", "", "<CopyObjectResult/>");
    let read_twice = [found(), wrong(), found(), found(), wrong()];
    let answers = [listing(), listing()].into_iter().chain(read_twice).chain([copied, found(), found(), lost()]);
    let script = Script::new(answers).await;
    let store = Store::of_objects(Objects::in_bucket(script.s3.clone()));
    let stock = Stock::with("script".into(), store, super::WayIn::Bucket(script.s3.clone()));
    stock.record(blob, 5).await;
    let options = super::VerifyOptions { repair: true, bytes_per_s: None };
    let ended = stock.upkeep.verify(options, |_, _| {}).await;
    assert!(matches!(ended, Err(UpkeepError::Storage(StorageError::Unavailable(_)))), "{ended:?}");
    assert_eq!(stock.recorded(blob).await, None);
    let pending = stock.db.read(move |read| tables::pending_deletion_us(read, &blob)).await.unwrap();
    assert!(pending.is_some(), "{:?}", script.requests());
}
