//! What goes because nothing needs it, and what stays.

use std::sync::mpsc;
use std::time::Duration;

use atcr_hold::blobs;
use atcr_hold::images;
use atcr_hold::images::tables::LayerRow;
use atcr_hold::objects::Location;
use atcr_hold::upkeep::{Amount, Collected, UpkeepError};
use atproto::syntax::{Datetime, Digest};
use http::Method;

use super::{Stock, digest, forced, key, name, now_us, read_blob, room, upload};
use crate::support::blob_hold::{NOW_US, content};

async fn collect(stock: &Stock, dry_run: bool) -> Collected {
    stock.upkeep.collect(forced(dry_run), |_, _| {}).await.unwrap()
}

fn amount(count: u64, size_bytes: u64) -> Amount {
    Amount { count, size_bytes }
}

async fn is_there(stock: &Stock, blob: &Digest) -> (bool, bool) {
    (stock.recorded(*blob).await.is_some(), stock.objects().stat(&key(blob)).await.unwrap().is_some())
}

#[tokio::test]
async fn what_nothing_names_and_nobody_uses_goes() {
    for stock in Stock::everywhere().await {
        let (layer, config) = (stock.put_blob(b"layer").await, stock.put_blob(b"config").await);
        name(&stock.db, layer, false).await;
        name(&stock.db, config, true).await;
        let recent = stock.put_blob(b"recent").await;
        stock.db.write(move |write| blobs::tables::put_blob(write, &recent, 6, now_us())).await.unwrap();
        let asked = stock.put_blob(b"asked for").await;
        stock.db.write(move |write| blobs::tables::put_last_used(write, &asked, now_us(), 0)).await.unwrap();
        let mut garbage = vec![stock.put_blob(b"").await, stock.put_blob(b"without an object").await];
        stock.objects().delete(&key(&garbage[1])).await.unwrap();
        for seed in 0..5 {
            garbage.push(stock.put_blob(&content(seed, 1000)).await);
        }
        garbage.sort_unstable();

        for dry_run in [true, true, false] {
            let collected = collect(&stock, dry_run).await;
            assert_eq!((collected.dry_run, collected.grace_s), (dry_run, 86_400));
            assert_eq!(collected.garbage, amount(7, 5017), "{}", stock.name);
            assert_eq!(collected.oldest_use, Some(Datetime::from_micros(NOW_US)));
            assert_eq!((collected.named, collected.recent), (amount(2, 11), amount(2, 15)), "{}", stock.name);
            assert_eq!(collected.unfinished, Amount::default(), "{}", stock.name);
            let mut listed: Vec<_> = collected.listed.iter().map(|blob| blob.digest).collect();
            listed.sort_unstable();
            assert_eq!(listed, garbage, "{}", stock.name);
            for blob in [layer, config, recent, asked] {
                assert_eq!(is_there(&stock, &blob).await, (true, true), "{}", stock.name);
            }
        }
        for blob in &garbage {
            assert_eq!(is_there(&stock, blob).await, (false, false), "{}", stock.name);
        }
        assert_eq!(collect(&stock, false).await.garbage, Amount::default());
        let verified = stock.verify(false).await;
        assert_eq!((verified.right, verified.findings.listed), (4, vec![]), "{}", stock.name);
    }
}

#[tokio::test]
async fn many_go_in_more_than_one_piece() {
    let stock = Stock::in_directory().await;
    for number in 0..1_000_u32 {
        stock.put_blob(&number.to_be_bytes()).await;
    }
    let collected = collect(&stock, false).await;
    assert_eq!(collected.garbage, amount(1_000, 4_000));
    assert_eq!(collected.listed.len(), 1_000);
    assert_eq!(stock.db.read(blobs::tables::blob_totals).await.unwrap().blobs, 0);
    assert!(stock.verify(false).await.findings.listed.is_empty());
    let folders = std::fs::read_dir(stock.root().join("docker/registry/v2/blobs/sha256")).unwrap();
    let left: usize = folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum();
    assert_eq!(left, 0, "directories of blobs that are gone");
}

#[tokio::test]
async fn nothing_goes_while_a_config_may_be_needed_that_is_not_known() {
    let stock = Stock::in_memory().await;
    let blob = stock.put_blob(b"a config, perhaps").await;
    let import = move |write: &server::sqlite::Write<'_>| {
        let manifest = "at://did:plc:alice/io.atcr.manifest/imported";
        images::tables::put_layer(
            write,
            &LayerRow { rkey: "a", account: "did:plc:alice", digest: &blob, size_bytes: 1, manifest },
        )?;
        images::tables::delete_layer(write, "a")?;
        let other = digest(b"a layer");
        images::tables::put_layer(
            write,
            &LayerRow { rkey: "b", account: "did:plc:alice", digest: &other, size_bytes: 1, manifest },
        )
    };
    stock.db.write(import).await.unwrap();
    for dry_run in [true, false] {
        let refused = stock.upkeep.collect(forced(dry_run), |_, _| {}).await.unwrap_err();
        assert!(matches!(refused, UpkeepError::UnknownConfigs(1)), "{refused}");
    }
    assert_eq!(is_there(&stock, &blob).await, (true, true));
    stock.db.write(|write| images::tables::delete_layer(write, "b")).await.unwrap();
    assert_eq!(collect(&stock, false).await.garbage.count, 1);
}

#[tokio::test]
async fn being_asked_for_keeps_a_blob_also_after_a_restart() {
    let mut stock = Stock::in_directory().await;
    let (blobs, upkeep) = room(&stock.root(), &stock.db).await;
    stock.upkeep = upkeep;
    for content in [b"asked", b"other"] {
        upload(&blobs, content).await;
    }
    let (asked, never) = (digest(b"asked"), digest(b"never was"));
    assert!(blobs.read_target(&asked, Method::HEAD, now_us()).await.unwrap().is_some());
    assert!(blobs.read_target(&never, Method::GET, now_us()).await.unwrap().is_none());
    // Nothing was written down yet.
    let preview = collect(&stock, true).await;
    assert_eq!((preview.garbage.count, preview.recent.count), (1, 1));
    blobs.flush_last_used().await.unwrap();
    let (blobs, upkeep) = room(&stock.root(), &stock.db).await;
    stock.upkeep = upkeep;
    let collected = collect(&stock, false).await;
    assert_eq!((collected.garbage.count, collected.recent.count), (1, 1));
    assert_eq!(read_blob(&blobs, &asked).await.as_deref(), Some(&b"asked"[..]));
    assert_eq!(read_blob(&blobs, &digest(b"other")).await, None);
    assert!(blobs.read_target(&digest(b"other"), Method::HEAD, now_us()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_upload_of_what_is_gone_begins_anew() {
    let mut stock = Stock::in_directory().await;
    let (blobs, upkeep) = room(&stock.root(), &stock.db).await;
    stock.upkeep = upkeep.with_grace(Duration::ZERO);
    upload(&blobs, b"again").await;
    assert_eq!(collect(&stock, false).await.garbage.count, 1);
    upload(&blobs, b"again").await;
    assert_eq!(read_blob(&blobs, &digest(b"again")).await.as_deref(), Some(&b"again"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_copied_does_not_go() {
    let stock = Stock::in_directory().await;
    let blob = stock.put_blob(b"copied").await;
    let (began, has_begun) = mpsc::sync_channel(0);
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let (upkeep, target) = (stock.upkeep.clone(), tempfile::TempDir::new().unwrap());
    let place = Location::Directory(target.path().to_owned());
    let migration = tokio::spawn(async move {
        let wait = move |done, _| {
            if done == 0 {
                began.send(()).unwrap();
                may_go_on.lock().unwrap().recv().unwrap();
            }
        };
        upkeep.migrate(&place, None, wait).await
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
    let refused = stock.upkeep.collect(forced(false), |_, _| {}).await.unwrap_err();
    assert!(matches!(refused, UpkeepError::Busy), "{refused}");
    assert_eq!(collect(&stock, true).await.garbage.count, 1, "a preview is in nobody's way");
    go_on.send(()).unwrap();
    assert!(migration.await.unwrap().unwrap().whole);
    assert_eq!(is_there(&stock, &blob).await, (true, true));
    assert_eq!(collect(&stock, false).await.garbage.count, 1);
}
