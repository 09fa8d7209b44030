//! Deletion of manifests that have lost their last tag, for accounts whose profile has `autoRemoveUntagged`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::timeout;

use super::{Images, ImagesError};
use crate::accounts::Login;
use crate::repos::{FoundManifest, manifest_key};
use atproto::lexicon::nsid;
use atproto::syntax::Digest;
use server::identity::Account;

/// Time-out of the deletion; the push waits for it.
const TIME: Duration = Duration::from_secs(10);
/// Maximum number of pages of 100 manifests that are searched for an index with it. With more pages nothing is deleted.
const MAX_PAGES: usize = 40;

impl Images {
    /// Deletes a manifest that a tag has left, if that was its last tag, no index has it, and the owner's profile wants
    /// it; with an index the manifests that only it has. An error does not fail the push.
    pub(super) async fn remove_untagged(&self, login: &Login, owner: &Account, digest: &Digest) {
        match timeout(TIME, self.try_remove(login, owner, digest)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(manifest = %digest, "a manifest without tags stays: {error}"),
            Err(_) => tracing::warn!(manifest = %digest, "a manifest without tags stays: its owner's PDS is too slow"),
        }
    }

    async fn try_remove(&self, login: &Login, owner: &Account, digest: &Digest) -> Result<(), ImagesError> {
        if !self.holds.chosen(owner).await?.auto_remove {
            return Ok(());
        }
        let _turn = self.turns.indexes(&owner.did).await;
        let Some(record) = self.repos.manifest(owner, digest).await? else { return Ok(()) };
        let mut unused = vec![*digest];
        unused.extend(record.children);
        let mut turns = HashMap::new();
        for digest in HashSet::<_>::from_iter(unused.iter().copied()) {
            turns.insert(digest, self.turns.manifest(&owner.did, &digest).await);
        }
        let mut used: HashSet<_> = self.repos.tags_at(owner, &unused).await?.iter().map(|found| found.digest).collect();
        let look = |found: FoundManifest| {
            if found.digest != *digest {
                used.extend(found.record.children().filter(|child| turns.contains_key(child)));
            }
        };
        if !self.repos.each_manifest(owner, MAX_PAGES, look).await? || used.contains(digest) {
            return Ok(());
        }
        unused.retain(|digest| !used.contains(digest));
        // The index first, so that none names a missing manifest.
        for digest in unused {
            let Some(turn) = turns.remove(&digest) else { continue };
            let seen = self.repos.record(owner, nsid::MANIFEST, &manifest_key(&digest)).await?;
            if seen.value.is_some() {
                self.delete_record(&turn, login, owner, &digest, &seen).await?;
                tracing::info!(did = %owner.did, manifest = %digest, "a manifest without tags was removed");
            }
        }
        Ok(())
    }
}
