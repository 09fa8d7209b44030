//! What every store behind `storage::objects` must keep: a file system, memory, and each real server that is there.

#[cfg(feature = "azure")]
mod azure;
mod buckets;
mod copies;
mod every_store;
mod files;
#[cfg(feature = "gcs")]
mod google;
mod presigned;
mod probes;
mod remotes;
mod removals;
mod scripted;
mod versions;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Once;

use atcr_hold::objects;
use atcr_hold::objects::{BucketSettings, CopyLimits, Credentials, Memory, Object, Objects, S3Settings, Staging};
use futures_util::TryStreamExt as _;
use tokio::net::TcpSocket;

pub(super) use remotes::{Remote, remotes_here};
pub(super) use scripted::{Script, answer, found, lost, rest_from};
pub(super) use versions::probe_answers;

/// A store that is empty, and how bytes get into it.
pub(super) struct Store {
    pub(super) name: String,
    pub(super) objects: Objects,
    way_in: WayIn,
}

enum WayIn {
    Files { staging: Staging, directory: tempfile::TempDir },
    Memory(Memory),
    Bucket(objects::Bucket),
}

impl Store {
    pub(super) async fn put(&self, key: &str, bytes: &[u8]) {
        match &self.way_in {
            WayIn::Files { staging, .. } => {
                staging.make_folder("u").unwrap();
                let file = staging.open_file("u/main").unwrap();
                file.write_at(bytes, 0).unwrap();
                file.sync().unwrap();
                staging.publish("u/main", key).unwrap();
                staging.sync_key(key).unwrap();
            }
            WayIn::Memory(memory) => memory.put(key, bytes.to_vec()).await.unwrap(),
            WayIn::Bucket(bucket) => bucket.put(key, bytes.to_vec()).await.unwrap(),
        }
    }

    pub(super) async fn read(&self, key: &str) -> Option<Vec<u8>> {
        let object = self.objects.open_object(key).await.unwrap()?;
        assert_eq!(self.objects.size(key).await.unwrap(), Some(object.size_bytes()), "{}", self.name);
        let size_bytes = object.size_bytes();
        Some(read(object, 0..size_bytes).await.unwrap())
    }
}

pub(super) async fn read(object: Object, range: std::ops::Range<u64>) -> std::io::Result<Vec<u8>> {
    Ok(object.stream(range).try_collect::<Vec<_>>().await?.concat())
}

pub(super) fn file_system() -> Store {
    let directory = tempfile::tempdir().unwrap();
    let objects = Objects::open(directory.path()).unwrap();
    let staging = Staging::open(directory.path(), "uploads").unwrap();
    Store { name: "files".into(), objects, way_in: WayIn::Files { staging, directory } }
}

pub(super) fn every_store() -> Vec<Store> {
    let memory = Memory::default();
    let in_memory =
        Store { name: "memory".into(), objects: Objects::in_memory(&memory), way_in: WayIn::Memory(memory) };
    let mut stores = vec![file_system(), in_memory];
    for remote in remotes_here() {
        let bucket = remote.open();
        let objects = Objects::in_bucket(bucket.clone());
        stores.push(Store { name: remote.name, objects, way_in: WayIn::Bucket(bucket) });
    }
    stores
}

/// Whether a server keeps bytes that are not what their signed checksum says, and copies what has not the wanted ETag.
pub(super) fn is_lax(name: &str) -> bool {
    matches!(name, "ceph" | "rclone" | "moto")
}

/// An address where nobody listens, for as long as the socket is kept: else another test might get its port.
fn nobody_listens() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A real server, and a folder of its bucket that nothing else uses.
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) settings: S3Settings,
}

impl Bucket {
    pub(super) fn open(&self) -> objects::Bucket {
        objects::Bucket::open(&BucketSettings::S3(self.settings.clone())).unwrap()
    }

    /// The settings as options of the table `storage.s3`.
    pub(super) fn options(&self) -> String {
        let S3Settings { bucket, region, endpoint, prefix, .. } = &self.settings;
        let (id, secret, endpoint) = (self.key_id(), self.secret(), endpoint.as_deref().unwrap());
        format!(
            "bucket = \"{bucket}\"\nregion = \"{region}\"\nendpoint = \"{endpoint}\"\nprefix = \"{prefix}\"\n\
             access_key_id = \"{id}\"\nsecret_access_key = \"{secret}\"\n"
        )
    }

    pub(super) fn key_id(&self) -> &str {
        let Credentials::Keys { id, .. } = &self.settings.credentials else { panic!("a bucket here has keys") };
        id
    }

    pub(super) fn secret(&self) -> &str {
        let Credentials::Keys { secret, .. } = &self.settings.credentials else { panic!("a bucket here has keys") };
        secret
    }
}

/// The servers that `tests/s3/serve.sh` started; none, said once, when there are none.
#[expect(clippy::disallowed_methods, reason = "the environment says where the real parts are")]
pub(super) fn buckets_here() -> Vec<Bucket> {
    static SAID: Once = Once::new();
    let Some(list) = std::env::var_os("ATCR_HOLD_S3") else {
        SAID.call_once(|| {
            // Past the capture of the test runner.
            let line = "skipped: S3 servers: ATCR_HOLD_S3 is not set\n";
            let _ = std::io::stderr().write_all(line.as_bytes());
        });
        return Vec::new();
    };
    std::fs::read_to_string(list).unwrap().lines().map(bucket).collect()
}

/// A line of the list: name, endpoint, region, bucket, file of the key, file of the secret.
fn bucket(line: &str) -> Bucket {
    let words: Vec<_> = line.split(' ').collect();
    let [name, endpoint, region, bucket, key, secret] = words[..] else { panic!("a server has six words: {line}") };
    let word_in = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap().trim().to_owned().into();
    let mut random = [0; 8];
    getrandom::fill(&mut random).unwrap();
    let settings = S3Settings {
        bucket: bucket.into(),
        region: region.into(),
        endpoint: Some(endpoint.into()),
        path_style: true,
        prefix: format!("test-{:016x}", u64::from_be_bytes(random)),
        pull_zone: None,
        public_endpoint: None,
        credentials: Credentials::Keys { id: word_in(key), secret: word_in(secret), session_token: None },
        copy: COPY,
    };
    Bucket { name: name.into(), settings }
}

/// Low, so that tests need not store gigabytes; the smallest piece that S3 allows.
const COPY: CopyLimits = CopyLimits { single_max_bytes: 8 << 20, part_bytes: 5 << 20 };

/// Bytes in which no stretch repeats another.
pub(super) fn pattern(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..bytes.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(bytes).collect()
}
