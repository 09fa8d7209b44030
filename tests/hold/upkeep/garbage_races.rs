//! Garbage is collected again and again beside clients that push, push what they are told is here, and take it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use atcr_hold::blobs;
use atcr_hold::blobs::{Blobs, UploadLimits};
use atcr_hold::images;
use atcr_hold::images::tables::LayerRow;
use atproto::syntax::AtUri;
use http::Method;
use server::sqlite::Write;
use server::storage::StorageError;

use super::races::Dice;
use super::{Stock, digest, forced, now_us, read_blob, room, upload};
use crate::support::blob_hold::{alice, content};

const CLIENTS: u64 = 6;
const BLOBS: u64 = 10;
/// How long clients push at least, and at most where the machine is so busy that too little happened by then.
const LASTS: Duration = Duration::from_secs(4);
const LASTS_AT_MOST: Duration = Duration::from_secs(120);
/// How often each thing has to happen.
const ENOUGH: u64 = 10;
const GRACE: Duration = Duration::from_millis(20);

/// How often what happened.
#[derive(Default)]
struct Tally {
    uploaded: AtomicU64,
    told: AtomicU64,
    acknowledged: AtomicU64,
    refused: AtomicU64,
    collected: AtomicU64,
}

impl Tally {
    /// Uploads, blobs that were told to be there, pushes that were acknowledged, blobs that were collected.
    fn counts(&self) -> [u64; 4] {
        [&self.uploaded, &self.told, &self.acknowledged, &self.collected].map(|counter| counter.load(Ordering::Relaxed))
    }

    fn is_enough(&self) -> bool {
        self.counts().iter().all(|count| *count > ENOUGH)
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

struct Client {
    number: u64,
    stock: Arc<Stock>,
    blobs: Blobs,
    tally: Arc<Tally>,
    dice: Dice,
}

impl Client {
    /// A push of one of a few blobs, and its end.
    async fn go(&mut self) {
        let whole = content(u8::try_from(self.dice.roll(BLOBS)).unwrap(), 3_000);
        let blob = digest(&whole);
        if self.blobs.read_target(&blob, Method::HEAD, now_us()).await.unwrap().is_some() {
            count(&self.tally.told);
        } else {
            upload(&self.blobs, &whole).await;
            self.stock.db.write(move |write| blobs::tables::put_last_used(write, &blob, now_us(), 0)).await.unwrap();
            count(&self.tally.uploaded);
        }
        // Sometimes too late.
        tokio::time::sleep(Duration::from_millis(self.dice.roll(40))).await;
        let rkey = format!("{}", self.number);
        let manifest = format!("at://did:plc:alice/io.atcr.manifest/{rkey}");
        let key = rkey.clone();
        let record = move |write: &Write<'_>| {
            if blobs::tables::blob_size(write, &blob)?.is_none() {
                return Ok::<_, StorageError>(false);
            }
            let uri = AtUri::parse(&manifest).unwrap();
            images::tables::put_manifest(write, &uri, &alice(), None)?;
            let (account, manifest) = ("did:plc:alice", manifest.as_str());
            images::tables::put_layer(
                write,
                &LayerRow { rkey: &key, account, digest: &blob, size_bytes: 1, manifest },
            )?;
            Ok(true)
        };
        if !self.stock.db.write(record).await.unwrap() {
            count(&self.tally.refused);
            return;
        }
        count(&self.tally.acknowledged);
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(self.dice.roll(30))).await;
            assert!(self.blobs.read_target(&blob, Method::GET, now_us()).await.unwrap().is_some());
            assert!(read_blob(&self.blobs, &blob).await.as_ref() == Some(&whole), "a live blob is gone");
        }
        self.stock.db.write(move |write| images::tables::delete_layer(write, &rkey)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_named_is_never_missing() {
    let mut stock = Stock::in_directory().await;
    let (blobs, upkeep) = room(&stock.root(), &stock.db).await;
    let limits = UploadLimits { reserve_bytes: 0, last_used_resolution: GRACE / 4, ..Default::default() };
    blobs.set_limits(limits);
    stock.upkeep = upkeep.with_grace(GRACE);
    let (stock, tally, over) = (Arc::new(stock), Arc::<Tally>::default(), Arc::new(AtomicBool::new(false)));
    let collector = tokio::spawn({
        let (stock, tally, over) = (Arc::clone(&stock), Arc::clone(&tally), Arc::clone(&over));
        async move {
            while !over.load(Ordering::Relaxed) {
                let collected = stock.upkeep.collect(forced(false), |_, _| {}).await.unwrap();
                tally.collected.fetch_add(collected.garbage.count, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (stock, blobs, tally) = (Arc::clone(&stock), blobs.clone(), Arc::clone(&tally));
            let mut client = Client { number, stock, blobs, tally, dice: Dice(number + 1) };
            tokio::spawn(async move {
                let began = tokio::time::Instant::now();
                let goes_on = |passed, tally: &Tally| passed < LASTS || (passed < LASTS_AT_MOST && !tally.is_enough());
                while goes_on(began.elapsed(), &client.tally) {
                    client.go().await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    collector.await.unwrap();
    assert!(tally.is_enough(), "{:?}: too little happened", tally.counts());
    assert!(stock.verify(false).await.findings.listed.is_empty());
    tokio::time::sleep(GRACE * 2).await;
    stock.upkeep.collect(forced(false), |_, _| {}).await.unwrap();
    assert_eq!(stock.db.read(blobs::tables::blob_totals).await.unwrap().blobs, 0);
}
