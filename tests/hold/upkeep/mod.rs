//! Looking after the storage: every kind of damage, repairs beside uploads, and moving to another storage.

mod damage;
mod garbage;
mod garbage_races;
mod garbage_rules;
mod migration;
mod races;
mod removal;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use atcr_hold::blobs::{self, BlobSettings, Blobs, DigestLock, REMOVAL_SETTLED_US, UploadLimits};
use atcr_hold::images;
use atcr_hold::images::tables::LayerRow;
use atcr_hold::objects::{Bucket, Location, Memory, Objects};
use atcr_hold::schema;
use atcr_hold::upkeep::{BlobFinding, BlobsVerified, CollectOptions, Store, Upkeep, VerifyOptions};
use atproto::syntax::{AtUri, Digest};
use futures_util::TryStreamExt as _;
use server::sqlite::{Database, Write};
use tempfile::TempDir;

use crate::objects::remotes_here;
use crate::support::blob_hold::{NOW_US, alice, digest, frames, list, part_number, part_request};

/// Rows and objects that a test sets as it likes.
struct Stock {
    name: String,
    upkeep: Upkeep,
    store: Store,
    db: Database,
    way_in: WayIn,
    directory: TempDir,
}

enum WayIn {
    Memory(Memory),
    Directory,
    Bucket(Bucket),
}

impl Stock {
    async fn in_memory() -> Self {
        let memory = Memory::default();
        let store = Store::of_objects(Objects::in_memory(&memory));
        Self::with("memory".into(), store, WayIn::Memory(memory))
    }

    async fn in_directory() -> Self {
        let mut stock =
            Self::with("files".into(), Store::of_objects(Objects::in_memory(&Memory::default())), WayIn::Directory);
        std::fs::create_dir(stock.root()).unwrap();
        let store = Store::open(&Location::Directory(stock.root())).await.unwrap();
        stock.upkeep = Upkeep::new(stock.db.clone(), store.clone(), DigestLock::default(), now_us);
        stock.store = store;
        stock
    }

    fn with(name: String, store: Store, way_in: WayIn) -> Self {
        let directory = TempDir::new().unwrap();
        let db = schema::open(&directory.path().join("hold.db")).unwrap();
        let upkeep = Upkeep::new(db.clone(), store.clone(), DigestLock::default(), now_us);
        Self { name, upkeep, store, db, way_in, directory }
    }

    /// What looks after it once a store has carried out what it was asked for.
    fn settled(&self) -> Upkeep {
        Upkeep::new(self.db.clone(), self.store.clone(), DigestLock::default(), || now_us() + REMOVAL_SETTLED_US + 1)
    }

    /// One in memory, one in a directory, and one in a bucket of each real server that is there.
    async fn everywhere() -> Vec<Self> {
        let mut stocks = vec![Self::in_memory().await, Self::in_directory().await];
        for remote in remotes_here() {
            let store = Store::open(&Location::Bucket(Box::new(remote.settings.clone()))).await.unwrap();
            stocks.push(Self::with(remote.name.clone(), store, WayIn::Bucket(remote.open())));
        }
        stocks
    }

    fn root(&self) -> std::path::PathBuf {
        self.directory.path().join("blobs")
    }

    fn objects(&self) -> Objects {
        match &self.way_in {
            WayIn::Memory(memory) => Objects::in_memory(memory),
            WayIn::Directory => Objects::open(&self.root()).unwrap(),
            WayIn::Bucket(bucket) => Objects::in_bucket(bucket.clone()),
        }
    }

    fn objects_of(place: &Location) -> Objects {
        match place {
            Location::Directory(root) => Objects::open(root).unwrap(),
            Location::Bucket(settings) => Objects::in_bucket(Bucket::open(settings).unwrap()),
        }
    }

    /// Puts other bytes under a key of any place.
    async fn overwrite(place: &Location, key: &str, bytes: &[u8]) {
        match place {
            Location::Directory(root) => std::fs::write(root.join(key), bytes).unwrap(),
            Location::Bucket(settings) => Bucket::open(settings).unwrap().put(key, bytes.to_vec()).await.unwrap(),
        }
    }

    async fn put(&self, key: &str, bytes: &[u8]) {
        match &self.way_in {
            WayIn::Memory(memory) => memory.put(key, bytes.to_vec()).await.unwrap(),
            WayIn::Bucket(bucket) => bucket.put(key, bytes.to_vec()).await.unwrap(),
            WayIn::Directory => {
                let path = self.root().join(key);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
        }
    }

    async fn record(&self, digest: Digest, size_bytes: usize) {
        self.db.write(move |write| blobs::tables::put_blob(write, &digest, size_bytes as u64, NOW_US)).await.unwrap();
    }

    /// A blob as it should be.
    async fn put_blob(&self, content: &[u8]) -> Digest {
        let digest = digest(content);
        self.put(&key(&digest), content).await;
        self.record(digest, content.len()).await;
        digest
    }

    async fn recorded(&self, digest: Digest) -> Option<u64> {
        self.db.read(move |read| blobs::tables::blob_size(read, &digest)).await.unwrap()
    }

    async fn verify(&self, repair: bool) -> BlobsVerified {
        self.upkeep.verify(VerifyOptions { repair, bytes_per_s: None }, |_, _| {}).await.unwrap()
    }
}

/// A collection of whatever is garbage, where everybody was asked.
fn forced(dry_run: bool) -> CollectOptions {
    CollectOptions { dry_run, force: true, ..CollectOptions::default() }
}

/// A real clock: stores look at it.
#[expect(clippy::disallowed_methods, reason = "the environment says where the real parts are")]
fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_micros()).unwrap()
}

fn key(digest: &Digest) -> String {
    let hex = digest.hex();
    format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2])
}

async fn read(objects: &Objects, key: &str) -> Option<Vec<u8>> {
    let object = objects.open_object(key).await.unwrap()?;
    let size_bytes = object.size_bytes();
    Some(object.stream(0..size_bytes).try_collect::<Vec<_>>().await.unwrap().concat())
}

/// A blob room on a directory, and what looks after it.
async fn room(root: &Path, db: &Database) -> (Blobs, Upkeep) {
    let settings = BlobSettings {
        place: blobs::BlobPlace::Directory(root.to_owned()),
        limits: UploadLimits { reserve_bytes: 0, ..UploadLimits::default() },
    };
    let blobs = Blobs::open(settings, db.clone()).await.unwrap();
    let store = Store::open(&Location::Directory(root.to_owned())).await.unwrap();
    let upkeep = Upkeep::new(db.clone(), store, blobs.digests(), now_us);
    (blobs, upkeep)
}

/// A whole upload of one part.
async fn upload(blobs: &Blobs, content: &[u8]) {
    let id = blobs.initiate(&alice(), NOW_US).await.unwrap();
    let length = Some(content.len() as u64);
    let etag = blobs.upload_part(part_request(id, &alice(), part_number(1), length), frames(content)).await.unwrap();
    blobs.complete(&id, &alice(), digest(content), list(&[(1, &etag)]), NOW_US).await.unwrap();
}

async fn read_blob(blobs: &Blobs, digest: &Digest) -> Option<Vec<u8>> {
    let blob = blobs.open_blob(digest, None).await.unwrap()?;
    let size_bytes = blob.size_bytes();
    Some(blob.stream(0..size_bytes).try_collect::<Vec<_>>().await.unwrap().concat())
}

/// Records that a layer of a manifest, or its config, is needed; the manifest was pushed here.
async fn name(db: &Database, blob: Digest, as_config: bool) {
    let rkey = blob.hex();
    let manifest = AtUri::parse(&format!("at://did:plc:alice/io.atcr.manifest/{rkey}")).unwrap();
    let record = move |write: &Write<'_>| {
        images::tables::put_manifest(write, &manifest, &alice(), as_config.then_some(&blob))?;
        let layer = LayerRow {
            rkey: &rkey,
            account: "did:plc:alice",
            digest: &blob,
            size_bytes: 1,
            manifest: manifest.as_str(),
        };
        if as_config { Ok(()) } else { images::tables::put_layer(write, &layer) }
    };
    db.write(record).await.unwrap();
}

/// Findings by their digest.
fn of<'f>(verified: &'f BlobsVerified, digest: &Digest) -> Vec<&'f BlobFinding> {
    verified.findings.listed.iter().filter(|finding| finding.digest.as_ref() == Some(digest)).collect()
}
