//! Who writes the records of a manifest or a tag: one request at a time, until the hold has taken or refused what it wrote.
//!
//! Other programs write there too; against them each write names what it replaces ([`crate::repos::Seen`]).

use atproto::syntax::{Did, Digest, ImageName, Tag};
use server::bulkhead::{LockGuard, Locks};

/// The locks. Whoever wants both kinds takes the manifest's first.
#[derive(Default)]
pub(super) struct Turns {
    manifests: Locks<(Did, Digest)>,
    tags: Locks<(Did, String)>,
}

/// Nobody else writes the record of this manifest.
pub(super) struct ManifestTurn {
    _guard: LockGuard<(Did, Digest)>,
}

/// Nobody else writes the record of this tag.
pub(super) struct TagTurn {
    _guard: LockGuard<(Did, String)>,
}

impl Turns {
    pub(super) async fn manifest(&self, account: &Did, digest: &Digest) -> ManifestTurn {
        ManifestTurn { _guard: self.manifests.lock(&(account.clone(), *digest)).await }
    }

    pub(super) async fn tag(&self, account: &Did, repository: &ImageName, tag: &Tag) -> TagTurn {
        // Neither has a colon.
        let name = format!("{}:{}", repository.as_str(), tag.as_str());
        TagTurn { _guard: self.tags.lock(&(account.clone(), name)).await }
    }
}
