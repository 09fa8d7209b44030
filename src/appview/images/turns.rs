//! Locks of the records of a manifest and of a tag: one request writes them at a time, until the hold has accepted or
//! refused the notice.
//!
//! Other programs write these records as well; against them each write names the version that it replaces
//! ([`crate::repos::Seen`]).

use atproto::syntax::{Did, Digest, ImageName, Tag};
use server::bulkhead::{LockGuard, Locks};

/// The locks. A request that needs both kinds takes the manifest's first.
#[derive(Default)]
pub(super) struct Turns {
    manifests: Locks<(Did, Digest)>,
    tags: Locks<(Did, String)>,
}

/// The lock of a manifest's record.
pub(super) struct ManifestTurn {
    _guard: LockGuard<(Did, Digest)>,
}

/// The lock of a tag's record.
pub(super) struct TagTurn {
    _guard: LockGuard<(Did, String)>,
}

impl Turns {
    pub(super) async fn manifest(&self, account: &Did, digest: &Digest) -> ManifestTurn {
        ManifestTurn { _guard: self.manifests.lock(&(account.clone(), *digest)).await }
    }

    pub(super) async fn tag(&self, account: &Did, repository: &ImageName, tag: &Tag) -> TagTurn {
        // Neither name has a colon.
        let name = format!("{}:{}", repository.as_str(), tag.as_str());
        TagTurn { _guard: self.tags.lock(&(account.clone(), name)).await }
    }
}
