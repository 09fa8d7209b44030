//! What is in the bucket when all is done, asked of the server itself, without the proxy.

use std::collections::BTreeMap;

use atcr_hold::blobs::{BlobPlace, BlobSettings, Blobs, UploadLimits};
use atcr_hold::objects::{Bucket, Objects, Presigned};
use atcr_hold::schema;
use atproto::syntax::Digest;
use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};

use super::run::{Ledger, Run};
use crate::support::http::blocking::Client;
use server::daemon::ClockSteps;

const BLOBS: &str = "docker/registry/v2/blobs/sha256";
const STAGING: &str = "uploads";
/// Stale uploads are a day old.
const LATER_US: u64 = 25 * 3_600 * 1_000_000;

/// Checks everything that was promised, and says how much it was.
pub(super) fn check(run: Run) -> String {
    let Run { daemon, site, direct, ledger, .. } = run;
    let ledger = ledger.into_inner().unwrap();
    let client = daemon.client(&site.alice);
    assert_eq!(client.get("/xrpc/_health").status, 200, "{}", daemon.log());
    acknowledged_are_known(&ledger, &client);
    assert_eq!(daemon.stop(), Some(0));

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let before = visible(&direct).await;
        for (digest, content) in &ledger.acknowledged {
            let size_bytes = before.get(digest).expect("an acknowledged blob is in the bucket");
            assert_eq!(*size_bytes, content.size_bytes as u64);
        }
        assert!(ledger.claimed.iter().all(|digest| !before.contains_key(digest)), "a claim became visible");
        let left = staged(&direct).await;
        let database = schema::open(&site.path("hold.db")).unwrap();
        let place = BlobPlace::Bucket { bucket: direct.clone(), presigned: Presigned::All };
        let blobs = Blobs::open(BlobSettings { place, limits: UploadLimits::default() }, database).await.unwrap();
        let now_us = u64::try_from(chrono::Utc::now().timestamp_micros()).unwrap();
        blobs.sweep(now_us + LATER_US, &ClockSteps::default()).await.unwrap();
        assert_eq!(staged(&direct).await, Vec::<String>::new(), "a sweep leaves nothing");
        assert_eq!(visible(&direct).await, before, "a sweep takes no blob");
        let open = blobs.open_uploads().await.unwrap();
        assert_eq!(open, 0);
        format!(
            "{} blobs acknowledged and right, {} visible, {} claims refused, {} staged things swept",
            ledger.acknowledged.len(),
            before.len(),
            ledger.claimed.len(),
            left.len()
        )
    })
}

/// By the hold's own word: the acknowledged are there, the claimed are not.
fn acknowledged_are_known(ledger: &Ledger, client: &Client) {
    let status = |digest: &[u8; 32]| {
        let digest = Digest::from_bytes(*digest);
        client.get(&format!("/xrpc/com.atproto.sync.getBlob?did=did:web:localhost&cid={digest}")).status
    };
    for digest in ledger.acknowledged.keys() {
        assert_eq!(status(digest), 200);
    }
    for digest in &ledger.claimed {
        assert_eq!(status(digest), 404);
    }
}

/// Every blob in the bucket with its size; each is read and hashed, and is what its key says.
async fn visible(s3: &Bucket) -> BTreeMap<[u8; 32], u64> {
    let objects = Objects::in_bucket(s3.clone());
    let listed: Vec<_> = objects.list(BLOBS).try_collect().await.unwrap();
    let mut found = BTreeMap::new();
    for object in listed {
        let hex = object.key.strip_suffix("/data").and_then(|key| key.rsplit('/').next()).expect("a blob's key");
        let digest = Digest::parse(&format!("sha256:{hex}")).unwrap();
        let opened = objects.open_object(&object.key).await.unwrap().expect("an object that is listed");
        let size_bytes = opened.size_bytes();
        let mut hash = Sha256::new();
        let mut bytes = std::pin::pin!(opened.stream(0..size_bytes));
        while let Some(chunk) = bytes.try_next().await.unwrap() {
            hash.update(&chunk);
        }
        assert_eq!(hash.finalize().as_slice(), digest.as_bytes(), "wrong bytes are visible under {digest}");
        found.insert(*digest.as_bytes(), size_bytes);
    }
    found
}

/// What is staged, and what is open in parts anywhere.
async fn staged(s3: &Bucket) -> Vec<String> {
    let mut found: Vec<String> = s3.list_multiparts("").map_ok(|open| open.key).try_collect().await.unwrap();
    let objects: Vec<_> = Objects::in_bucket(s3.clone()).list(STAGING).try_collect().await.unwrap();
    found.extend(objects.into_iter().map(|object| object.key));
    found
}
