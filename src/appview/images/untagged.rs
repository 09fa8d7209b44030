//! Deletion of manifests that have lost their last tag, for accounts whose profile has `autoRemoveUntagged`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::record_locks::{IndexesGuard, ManifestGuard};
use super::{Images, ImagesError};
use crate::accounts::Login;
use crate::repos::{FoundManifest, manifest_key};
use atproto::lexicon::nsid;
use atproto::syntax::Digest;
use server::identity::Account;

/// Time after which no deletion begins; the push waits for it.
const TIME: Duration = Duration::from_secs(10);
/// Maximum number of pages of 100 manifests that are searched for an index with it. With more pages nothing is deleted.
const MAX_PAGES: usize = 40;

/// Manifests that are to be deleted, with their locks.
#[derive(Default)]
struct Unused {
    /// An index before the manifests that it lists, so that none names a missing one.
    manifests: Vec<(Digest, ManifestGuard)>,
    /// Until it is dropped no index that lists one of them is pushed.
    _indexes: Option<IndexesGuard>,
}

impl Images {
    /// Deletes a manifest that a tag has left, if that was its last tag, no index has it, and the owner's profile wants
    /// it; with an index the manifests that only it has. An error does not fail the push.
    pub(super) async fn remove_untagged(&self, login: &Login, owner: &Account, digest: &Digest) {
        let until = Instant::now() + TIME;
        if let Err(error) = self.try_remove(login, owner, digest, until).await {
            tracing::warn!(manifest = %digest, "a manifest without tags stays: {error}");
        }
    }

    async fn try_remove(
        &self,
        login: &Login,
        owner: &Account,
        digest: &Digest,
        until: Instant,
    ) -> Result<(), ImagesError> {
        let too_slow =
            |_| tracing::warn!(manifest = %digest, "a manifest without tags stays: its owner's PDS is too slow");
        let Ok(unused) = timeout_at(until, self.unused(owner, digest)).await.map_err(too_slow) else { return Ok(()) };
        let unused = unused?;
        for (digest, guard) in unused.manifests {
            let key = manifest_key(&digest);
            let look = self.repos.record(owner, nsid::MANIFEST, &key);
            let Ok(seen) = timeout_at(until, look).await.map_err(too_slow) else { return Ok(()) };
            let seen = seen?;
            if seen.value.is_some() {
                // With no time-out but its own: what is deleted at the PDS is forgotten here.
                self.delete_record(&guard, login, owner, &digest, &seen).await?;
                tracing::info!(did = %owner.did, manifest = %digest, "a manifest without tags was removed");
            }
        }
        Ok(())
    }

    /// Returns what is to be deleted of a manifest without tags.
    async fn unused(&self, owner: &Account, digest: &Digest) -> Result<Unused, ImagesError> {
        if !self.holds.chosen(owner).await?.auto_remove {
            return Ok(Unused::default());
        }
        let indexes = self.locks.indexes(&owner.did).await;
        let Some(record) = self.repos.manifest(owner, digest).await? else { return Ok(Unused::default()) };
        let mut unused = vec![*digest];
        unused.extend(record.children);
        let mut guards = HashMap::new();
        for digest in HashSet::<_>::from_iter(unused.iter().copied()) {
            guards.insert(digest, self.locks.manifest(&owner.did, &digest).await);
        }
        let mut used: HashSet<_> = self.repos.tags_at(owner, &unused).await?.iter().map(|found| found.digest).collect();
        let look = |found: FoundManifest| {
            if found.digest != *digest {
                used.extend(found.record.children().filter(|child| guards.contains_key(child)));
            }
        };
        if !self.repos.each_manifest(owner, MAX_PAGES, look).await? || used.contains(digest) {
            return Ok(Unused::default());
        }
        unused.retain(|digest| !used.contains(digest));
        let manifests = unused.into_iter().filter_map(|digest| guards.remove_entry(&digest)).collect();
        Ok(Unused { manifests, _indexes: Some(indexes) })
    }
}
