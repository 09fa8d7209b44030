//! What was read of repositories a moment ago.
//!
//! One pull asks for its manifest two or three times, and a fleet of machines asks for the same one; a PDS answers a few
//! hundred requests a second, and limits them. What this program writes itself is seen at once; what others write into a
//! repository, after [`TTL`]. Pushes read past this.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::{ManifestRecord, Repos, ReposError};
use atproto::syntax::{Did, Digest, ImageName, Tag};
use server::identity::Account;

/// How long a record is taken to be as it was.
const TTL: Duration = Duration::from_secs(5);
/// Tags remembered, at some 400 bytes each.
const MAX_TAGS: usize = 2048;
/// For what is read of manifests' records, and as much again for the bytes of manifests.
const MAX_BYTES: u64 = 2 * 1024 * 1024;
/// Manifests that are expected in so many bytes.
const USUAL_MANIFESTS: usize = 512;
/// Counts of writes, shared by accounts with the same hash.
const COUNTS: usize = 256;

/// What was found, when, and after how many writes.
#[derive(Clone)]
struct Found<T> {
    value: T,
    at: Instant,
    writes: u64,
}

#[derive(Clone)]
struct ByLength;

impl Weighter<Digest, Bytes> for ByLength {
    fn weight(&self, _: &Digest, bytes: &Bytes) -> u64 {
        256 + bytes.len() as u64
    }
}

impl Weighter<(Did, Digest), Found<ManifestRecord>> for ByLength {
    fn weight(&self, _: &(Did, Digest), found: &Found<ManifestRecord>) -> u64 {
        512 + 32 * (found.value.blobs.len() + found.value.children.len()) as u64
    }
}

/// Remembers.
pub(super) struct Recent {
    /// By `<repository>:<tag>`: of two tags whose records would have one key, each is itself.
    tags: Cache<(Did, String), Found<Digest>>,
    manifests: Cache<(Did, Digest), Found<ManifestRecord>, ByLength>,
    /// They are what their hash says, whoever's they are and however long ago they came.
    bytes: Cache<Digest, Bytes, ByLength>,
    writes: Vec<AtomicU64>,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            tags: Cache::new(MAX_TAGS),
            manifests: Cache::with_weighter(USUAL_MANIFESTS, MAX_BYTES, ByLength),
            bytes: Cache::with_weighter(USUAL_MANIFESTS, MAX_BYTES, ByLength),
            writes: (0..COUNTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Recent {
    /// To be called after each write: what was read before it counts no more.
    pub(super) fn written(&self, did: &Did) {
        self.count(did).fetch_add(1, Ordering::AcqRel);
    }

    fn count(&self, did: &Did) -> &AtomicU64 {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(did);
        &self.writes[usize::try_from(hash % COUNTS as u64).unwrap_or(0)]
    }

    /// What `cache` has of `key`, or what `read` finds.
    async fn find<K: Eq + Hash, T: Clone, W: Weighter<K, Found<T>> + Clone>(
        &self,
        did: &Did,
        (cache, key): (&Cache<K, Found<T>, W>, K),
        read: impl Future<Output = Result<Option<T>, ReposError>>,
    ) -> Result<Option<T>, ReposError> {
        let writes = self.count(did).load(Ordering::Acquire);
        if let Some(found) = cache.get(&key)
            && found.writes == writes
            && found.at.elapsed() < TTL
        {
            return Ok(Some(found.value));
        }
        let at = Instant::now();
        let value = read.await?;
        if let Some(value) = value.clone() {
            cache.insert(key, Found { value, at, writes });
        }
        Ok(value)
    }
}

impl Repos {
    /// As [`Repos::tagged`], a moment ago or now.
    ///
    /// # Errors
    /// [`ReposError`]; so below.
    pub async fn recently_tagged(
        &self,
        account: &Account,
        name: &ImageName,
        tag: &Tag,
    ) -> Result<Option<Digest>, ReposError> {
        let key = (account.did.clone(), format!("{}:{tag}", name.as_str()));
        self.recent.find(&account.did, (&self.recent.tags, key), self.tagged(account, name, tag)).await
    }

    /// As [`Repos::manifest`], a moment ago or now.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn recent_manifest(
        &self,
        account: &Account,
        digest: &Digest,
    ) -> Result<Option<ManifestRecord>, ReposError> {
        let key = (account.did.clone(), *digest);
        self.recent.find(&account.did, (&self.recent.manifests, key), self.manifest(account, digest)).await
    }

    /// The bytes of a manifest that a record of `account` was found of.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn known_bytes(&self, account: &Account, digest: &Digest) -> Result<Option<Bytes>, ReposError> {
        if let Some(bytes) = self.recent.bytes.get(digest) {
            return Ok(Some(bytes));
        }
        let bytes = self.bytes(account, digest).await?;
        if let Some(bytes) = bytes.clone() {
            self.recent.bytes.insert(*digest, bytes);
        }
        Ok(bytes)
    }
}
