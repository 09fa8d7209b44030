//! Locks of the records of a manifest and of a tag: one request writes them at a time, until the hold has accepted or
//! refused the notice.
//!
//! Other programs write these records as well; against them each write names the version that it replaces
//! ([`crate::repos::Seen`]).

use atproto::syntax::{Did, Digest, ImageName, Tag};
use server::bulkhead::{LockGuard, Locks};

/// The locks. A request that needs several kinds takes them in this order.
#[derive(Default)]
pub(super) struct RecordLocks {
    indexes: Locks<Did>,
    manifests: Locks<(Did, Digest)>,
    tags: Locks<(Did, String)>,
}

/// The lock of an account's indexes: what one lists is not removed between the look-up of it and the write of the index.
pub(super) struct IndexesGuard {
    _guard: LockGuard<Did>,
}

/// The lock of a manifest's record.
pub(super) struct ManifestGuard {
    _guard: LockGuard<(Did, Digest)>,
}

/// The lock of a tag's record.
pub(super) struct TagGuard {
    _guard: LockGuard<(Did, String)>,
}

impl RecordLocks {
    pub(super) async fn indexes(&self, account: &Did) -> IndexesGuard {
        IndexesGuard { _guard: self.indexes.lock(account).await }
    }

    pub(super) async fn manifest(&self, account: &Did, digest: &Digest) -> ManifestGuard {
        ManifestGuard { _guard: self.manifests.lock(&(account.clone(), *digest)).await }
    }

    pub(super) async fn tag(&self, account: &Did, repository: &ImageName, tag: &Tag) -> TagGuard {
        // Neither name has a colon.
        let name = format!("{}:{}", repository.as_str(), tag.as_str());
        TagGuard { _guard: self.tags.lock(&(account.clone(), name)).await }
    }
}
