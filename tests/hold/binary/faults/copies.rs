//! Large blobs while the way to the store is full of faults: they are copied in pieces, which the limits of a test
//! begin at 8 MiB instead of 5 GB.

use std::io::Write as _;

use atcr_hold::blobs::{BlobError, PartNumber, Target, UploadId, UploadLimits};
use atcr_hold::objects::{Objects, Presigned, S3Settings};
use atproto::syntax::Digest;
use futures_util::TryStreamExt as _;

use super::proxy::Proxy;
use super::wanted;
use crate::binary::dice::Dice;
use crate::objects::{Bucket, buckets_here, pattern, read};
use crate::support::blob_hold::{Hold, NOW_US, alice, blob_key, digest, part_number};
use crate::support::hold::Call;

const MIB: usize = 1 << 20;
/// Copied in three pieces of at most 5 MiB.
const SIZE: usize = 11 * MIB + 17;
/// How often one upload is completed before it is given up.
const ATTEMPTS: usize = 40;
const LONGEST_STALL_MS: u64 = 1_500;

type Parts = Vec<(PartNumber, String)>;

/// A hold, and the proxy between it and its bucket.
struct Run<'p> {
    bucket: Bucket,
    proxy: &'p Proxy,
    hold: Hold,
    refused: u64,
}

impl<'p> Run<'p> {
    async fn start(bucket: Bucket, proxy: &'p Proxy) -> Self {
        let settings = S3Settings { endpoint: Some(proxy.url()), ..bucket.settings.clone() };
        let by_proxy = Bucket { name: bucket.name.clone(), settings };
        let hold = Hold::in_bucket(&by_proxy, Presigned::All, UploadLimits::default()).await;
        Self { bucket, proxy, hold, refused: 0 }
    }

    /// Sends all parts while nothing goes wrong.
    async fn send(&self, whole: &[u8]) -> (UploadId, Parts) {
        let id = self.hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        let mut parts = vec![];
        for (number, bytes) in (1..).zip(whole.chunks(5 * MIB)) {
            let target = self.hold.blobs.part_target(&id, &alice(), part_number(number), NOW_US).await.unwrap();
            let Target::Store(url) = target else { panic!("a URL of the store") };
            let answer = Call::to("PUT", &url).body(bytes.to_vec()).send().await;
            assert_eq!(answer.status, 200, "{}: {}", self.bucket.name, answer.text());
            parts.push((part_number(number), answer.header("etag").unwrap().to_owned()));
        }
        (id, parts)
    }

    /// Completes as a client that tries again for as long as that makes sense.
    async fn complete(&mut self, id: &UploadId, name: Digest, parts: &Parts) -> Result<(), BlobError> {
        self.proxy.arm(true);
        let mut left = ATTEMPTS;
        let outcome = loop {
            let outcome = self.hold.blobs.complete(id, &alice(), name, parts.clone(), NOW_US).await;
            left -= 1;
            match outcome {
                Err(BlobError::Unavailable(_) | BlobError::Storage(_)) if left > 0 => self.refused += 1,
                settled => break settled,
            }
        };
        self.proxy.arm(false);
        outcome
    }

    /// What the server itself has under a digest.
    async fn visible(&self, name: &Digest) -> Option<Vec<u8>> {
        let object = Objects::in_bucket(self.bucket.open()).open_object(&blob_key(name)).await.unwrap()?;
        let size_bytes = object.size_bytes();
        Some(read(object, 0..size_bytes).await.unwrap())
    }

    /// Answers whether the blob was acknowledged.
    async fn push(&mut self, whole: &[u8]) -> bool {
        let name = digest(whole);
        let (id, parts) = self.send(whole).await;
        let outcome = self.complete(&id, name, &parts).await;
        let visible = self.visible(&name).await;
        assert!(visible.as_ref().is_none_or(|bytes| bytes == whole), "{}: other bytes are visible", self.bucket.name);
        self.bucket.open().delete(&blob_key(&name)).await.unwrap();
        let lied = self.proxy.lied_about(&name.hex()) || self.proxy.lied_about(&id.to_string());
        match outcome {
            Ok(()) => assert!(visible.is_some(), "{}: an acknowledged blob is not there", self.bucket.name),
            Err(BlobError::Unavailable(_)) => {}
            Err(error) => assert!(lied, "{}: {error:?}", self.bucket.name),
        }
        visible.is_some()
    }
}

#[test]
fn large_blobs_are_whole_or_absent_whatever_goes_wrong_in_their_copy() {
    let mut dice = Dice::of_this_run();
    for bucket in buckets_here() {
        let proxy = Proxy::start(bucket.settings.endpoint.as_deref().unwrap(), dice.split(), LONGEST_STALL_MS);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(push_until_enough_went_wrong(bucket, &proxy, &mut dice));
    }
}

async fn push_until_enough_went_wrong(bucket: Bucket, proxy: &Proxy, dice: &mut Dice) {
    let mut run = Run::start(bucket, proxy).await;
    let (mut whole, mut pushed, mut acknowledged) = (pattern(SIZE), 0, 0);
    while proxy.faults() < wanted() {
        whole[..8].copy_from_slice(&dice.below(1 << 31).to_be_bytes());
        pushed += 1;
        acknowledged += u64::from(run.push(&whole).await);
    }
    let left: Vec<_> = run.bucket.open().list_multiparts("docker").try_collect().await.unwrap();
    let _ = writeln!(
        std::io::stderr(),
        "faults: {}, copies in pieces: {}; {acknowledged} of {pushed} acknowledged, {} attempts refused, {} copies left to \
         the sweep",
        run.bucket.name,
        proxy.summary(),
        run.refused,
        left.len()
    );
    assert!(acknowledged > 0, "{}", run.bucket.name);
}
