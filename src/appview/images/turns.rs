//! Who writes the records of a manifest or a tag: one request at a time, until the hold has taken or refused what it wrote.
//!
//! Other programs write there too; against them each write names what it replaces ([`crate::repos::Seen`]).

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash};

use tokio::sync::{Mutex, MutexGuard};

use atproto::syntax::{Did, Digest, ImageName, Tag};

/// Locks of each kind, shared by all records: two that share one wait for each other, and no more.
const LOCKS: usize = 256;

/// The locks. Whoever wants both kinds takes the manifest's first.
pub(super) struct Turns {
    manifests: [Mutex<()>; LOCKS],
    tags: [Mutex<()>; LOCKS],
}

/// Nobody else writes the record of this manifest.
pub(super) struct ManifestTurn<'t> {
    _guard: MutexGuard<'t, ()>,
}

/// Nobody else writes the record of this tag.
pub(super) struct TagTurn<'t> {
    _guard: MutexGuard<'t, ()>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { manifests: std::array::from_fn(|_| Mutex::default()), tags: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Turns {
    pub(super) async fn manifest(&self, account: &Did, digest: &Digest) -> ManifestTurn<'_> {
        ManifestTurn { _guard: one_of(&self.manifests, (account, digest)).lock().await }
    }

    pub(super) async fn tag(&self, account: &Did, repository: &ImageName, tag: &Tag) -> TagTurn<'_> {
        TagTurn { _guard: one_of(&self.tags, (account, repository.as_str(), tag.as_str())).lock().await }
    }
}

fn one_of(locks: &[Mutex<()>; LOCKS], key: impl Hash) -> &Mutex<()> {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
    &locks[usize::try_from(hash % LOCKS as u64).unwrap_or_default()]
}
