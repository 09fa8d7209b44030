//! Cache of records and manifests that pulls read.
//!
//! One pull requests its manifest two or three times, and a fleet of machines requests the same one; a PDS answers a
//! few hundred requests a second, and limits them. Writes of this program are seen at once; writes of other programs
//! after [`TTL`]. Pushes bypass the cache.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::{ManifestRecord, Repos, ReposError};
use crate::cache::undivided;
use atproto::syntax::{Did, Digest, ImageName, Tag};
use server::identity::Account;

/// Time for which a record is cached.
const TTL: Duration = Duration::from_secs(5);
/// Tags in the cache, at some 400 bytes each.
const MAX_TAGS: usize = 2048;
/// Size of the cache of manifests' records, and of the cache of manifests' bytes. A manifest of 2,000 layers, the most
/// that holds take, has some 500 KB.
const MAX_BYTES: u64 = 2 * 1024 * 1024;
/// Expected number of manifests in each of these caches.
const USUAL_MANIFESTS: usize = 512;
/// Number of write counters, each shared by accounts with the same hash.
const COUNTS: usize = 256;

/// A cached value, with the time of its reading and the account's write counter then.
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

/// The cache.
pub(super) struct Recent {
    /// Tags by account and `<repository>:<tag>`, for two tags may have the same record key.
    tags: Cache<(Did, String), Found<Digest>>,
    manifests: Cache<(Did, Digest), Found<ManifestRecord>, ByLength>,
    /// Manifests by digest. Their hash was verified, so they are valid for all accounts and do not expire.
    bytes: Cache<Digest, Bytes, ByLength>,
    writes: Vec<AtomicU64>,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            tags: Cache::new(MAX_TAGS),
            manifests: undivided(USUAL_MANIFESTS, MAX_BYTES, ByLength),
            bytes: undivided(USUAL_MANIFESTS, MAX_BYTES, ByLength),
            writes: (0..COUNTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Recent {
    /// Invalidates the account's cached records. Call it after each write.
    pub(super) fn written(&self, did: &Did) {
        self.count(did).fetch_add(1, Ordering::AcqRel);
    }

    fn count(&self, did: &Did) -> &AtomicU64 {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(did);
        &self.writes[usize::try_from(hash % COUNTS as u64).unwrap_or(0)]
    }

    /// Returns the cached value of `key`, or the value of `read`, which is cached if there is one.
    async fn find<K: Eq + Hash, T: Clone, W: Weighter<K, Found<T>> + Clone>(
        &self,
        did: &Did,
        cache: &Cache<K, Found<T>, W>,
        key: K,
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
    /// Returns the result of [`Repos::tagged`], which may be cached.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn recently_tagged(
        &self,
        account: &Account,
        name: &ImageName,
        tag: &Tag,
    ) -> Result<Option<Digest>, ReposError> {
        let key = (account.did.clone(), format!("{}:{tag}", name.as_str()));
        self.recent.find(&account.did, &self.recent.tags, key, self.tagged(account, name, tag)).await
    }

    /// Returns the result of [`Repos::manifest`], which may be cached.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn recent_manifest(
        &self,
        account: &Account,
        digest: &Digest,
    ) -> Result<Option<ManifestRecord>, ReposError> {
        let key = (account.did.clone(), *digest);
        self.recent.find(&account.did, &self.recent.manifests, key, self.manifest(account, digest)).await
    }

    /// Returns the bytes of a manifest, which may be cached from another account. The caller has found the manifest's
    /// record in `account`.
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

#[cfg(test)]
mod tests {
    use super::{Bytes, Digest, Recent};

    #[test]
    fn the_largest_manifests_are_kept_however_many_cores_there_are() {
        let recent = Recent::default();
        for (number, length) in [(1, 500_000), (2, 1_000_000)] {
            let digest = Digest::from_bytes([number; 32]);
            recent.bytes.insert(digest, Bytes::from(vec![0; length]));
            assert!(recent.bytes.get(&digest).is_some(), "{length}");
        }
    }
}
