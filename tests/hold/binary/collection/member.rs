//! An account that pushes images as the registry does for it, and holds the hold to its word.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::run::{GRACE, Run};
use crate::binary::dice::Dice;
use crate::support::hold::{Account, digest_of};
use crate::support::http::Answer;
use crate::support::http::blocking::Client;

/// Blobs that everybody pushes.
const POPULAR: u64 = 24;
const MAX_BYTES: u64 = 48 * 1024;
/// How long a member thinks before the registry tells the hold of a manifest, at most.
const THINKS_MS: u64 = 1_200;
/// How often a client asks a store in trouble.
const TRIES: usize = 10;

/// What an acknowledged manifest has.
struct Image {
    number: u64,
    blobs: Vec<Vec<u8>>,
}

pub(super) struct Member<'r> {
    run: &'r Run,
    account: Account,
    images: Vec<Image>,
    dice: Dice,
    numbers: u64,
}

impl<'r> Member<'r> {
    pub(super) fn new(run: &'r Run, account: Account, dice: Dice) -> Self {
        let member = Self { run, account, images: vec![], dice, numbers: 0 };
        member.join();
        member
    }

    fn client(&self) -> Client {
        self.run.daemon.client(&self.account)
    }

    /// The answer to a call that succeeds.
    fn call(&self, method: &str, input: &Value) {
        let answer = self.client().call(method, input);
        assert!(answer.status < 300, "{method}: {}", said(&answer));
    }

    /// The answer, which is not that the store is in trouble, after some tries; `None` when that lasts.
    fn patiently(&self, mut ask: impl FnMut() -> Answer) -> Option<Answer> {
        for _ in 0..TRIES {
            let answer = ask();
            if answer.status != 503 {
                return Some(answer);
            }
            self.run.note("answers that the store is in trouble", 1);
            std::thread::sleep(Duration::from_millis(200));
        }
        None
    }

    fn join(&self) {
        self.call("io.atcr.hold.requestCrew", &json!({}));
    }

    pub(super) fn go(&mut self) {
        match self.dice.below(60) {
            0 => self.delete_all(),
            1..=6 => self.give_up(),
            7..=10 => self.come_back(),
            11..=24 => self.pull(),
            25..=36 => self.push_again(),
            _ => self.push(),
        }
    }

    fn content(&mut self) -> Vec<u8> {
        let popular = self.dice.below(POPULAR);
        let seed = if self.dice.below(3) == 0 { popular } else { POPULAR + self.dice.below(1 << 31) };
        let mut dice = Dice(seed);
        let size = usize::try_from(1 + dice.below(MAX_BYTES)).unwrap();
        (0..size).map(|_| dice.below(256).to_le_bytes()[0]).collect()
    }

    /// Sees to it that the hold has a blob, as a registry does: asks, and uploads what is not there. `None` when the
    /// store is in trouble.
    fn bring(&self, whole: &[u8]) -> Option<()> {
        let client = self.client();
        let target =
            format!("/xrpc/com.atproto.sync.getBlob?did=did:web:localhost&cid={}&method=HEAD", digest_of(whole));
        let asked = client.get(&target);
        if asked.status == 200 {
            self.run.note("blobs told to be here", 1);
            return Some(());
        }
        assert_eq!(asked.status, 404, "{}", said(&asked));
        let upload = client.initiate();
        let target = self.patiently(|| client.try_part_target(&upload, 1).unwrap())?;
        let part = self.patiently(|| client.try_by_url("PUT", &target.field("url"), whole).unwrap())?;
        assert_eq!(part.status, 200, "{}", said(&part));
        let completed = self.patiently(|| client.complete(&upload, whole, &[part.etag()]))?;
        assert_eq!(completed.status, 200, "{}", said(&completed));
        self.run.note("blobs uploaded", 1);
        Some(())
    }

    fn push(&mut self) {
        let count = 2 + self.dice.below(4);
        let blobs = (0..count).map(|_| self.content()).collect();
        self.numbers += 1;
        let image = Image { number: self.numbers, blobs };
        self.publish(image);
    }

    /// The blobs of an image that is here, and the manifest, with another one or the same.
    fn push_again(&mut self) {
        if self.images.is_empty() {
            return;
        }
        let index = usize::try_from(self.dice.below(self.images.len() as u64)).unwrap();
        let same = self.dice.below(2) == 0;
        self.numbers += u64::from(!same);
        let image = if same {
            self.images.swap_remove(index)
        } else {
            Image { number: self.numbers, blobs: self.images[index].blobs.clone() }
        };
        self.publish(image);
    }

    fn publish(&mut self, image: Image) {
        let began = Instant::now();
        if image.blobs.iter().any(|blob| self.bring(blob).is_none()) {
            return self.run.note("pushes that the store let down", 1);
        }
        std::thread::sleep(Duration::from_millis(self.dice.below(THINKS_MS)));
        let answer = self.client().call("io.atcr.hold.notifyManifest", &self.manifest(&image, "push"));
        if answer.status != 200 {
            let text = said(&answer);
            assert!(began.elapsed() > GRACE && text.contains("not in this hold"), "{:?}: {text}", began.elapsed());
            self.run.note("manifests that came too late", 1);
            return;
        }
        self.run.note("manifests acknowledged", 1);
        self.read(&image);
        self.images.push(image);
    }

    fn manifest(&self, image: &Image, operation: &str) -> Value {
        let blob = |bytes: &Vec<u8>| {
            let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
            json!({ "digest": digest_of(bytes), "size": bytes.len(), "mediaType": kind })
        };
        let (config, layers) = image.blobs.split_first().unwrap();
        let did = &self.account.did;
        json!({
            "repository": "app",
            "userDid": did,
            "manifestDigest": digest_of(format!("{did} {}", image.number).as_bytes()),
            "manifest": {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob(config),
                "layers": layers.iter().map(blob).collect::<Vec<_>>(),
            },
            "tag": "latest",
            "operation": operation,
        })
    }

    /// Reads every blob of an image: all must be there and right.
    fn read(&self, image: &Image) {
        for blob in &image.blobs {
            let (digest, client) = (digest_of(blob), self.client());
            let target = format!("/xrpc/com.atproto.sync.getBlob?did=did:web:localhost&cid={digest}");
            let told = client.get(&target);
            assert_eq!(told.status, 200, "missing after its manifest was acknowledged: {digest}: {}", said(&told));
            let Some(found) = self.patiently(|| client.try_by_url("GET", &told.field("url"), &[]).unwrap()) else {
                continue;
            };
            assert_eq!(found.status, 200, "missing after its manifest was acknowledged: {digest}: {}", said(&found));
            assert!(found.body == *blob, "it has other bytes: {digest}");
            self.run.note("blobs read and right", 1);
        }
    }

    fn pull(&mut self) {
        if self.images.is_empty() {
            return;
        }
        let index = usize::try_from(self.dice.below(self.images.len() as u64)).unwrap();
        self.read(&self.images[index]);
        self.call("io.atcr.hold.notifyManifest", &self.manifest(&self.images[index], "pull"));
        self.run.note("pulls", 1);
    }

    /// An upload of which no manifest ever comes.
    fn give_up(&mut self) {
        let blob = self.content();
        let _ = self.bring(&blob);
        self.run.note("pushes given up", 1);
    }

    /// An upload of which the manifest comes so late that only asking for the blob once more keeps it until then.
    fn come_back(&mut self) {
        let blobs = vec![self.content(), self.content()];
        if blobs.iter().any(|blob| self.bring(blob).is_none()) {
            return;
        }
        std::thread::sleep(GRACE - Duration::from_millis(100 + self.dice.below(600)));
        self.numbers += 1;
        self.publish(Image { number: self.numbers, blobs });
    }

    /// Everything that was acknowledged is there.
    pub(super) fn check(&mut self) {
        self.images.iter().for_each(|image| self.read(image));
    }

    pub(super) fn delete_all(&mut self) {
        self.check();
        self.call("io.atcr.hold.deleteUserData", &json!({}));
        self.images.clear();
        self.run.note("deletions of all data", 1);
        self.join();
    }
}

fn said(answer: &Answer) -> String {
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}
