//! Deletion of manifests that have lost their last tag, for accounts whose profile has `autoRemoveUntagged`.

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
    /// it. An error does not fail the push.
    pub(super) async fn remove_untagged(&self, login: &Login, owner: &Account, digest: &Digest) {
        match timeout(TIME, self.try_remove(login, owner, digest)).await {
            Ok(Ok(true)) => tracing::info!(did = %owner.did, manifest = %digest, "a manifest without tags was removed"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!(manifest = %digest, "a manifest without tags stays: {error}"),
            Err(_) => tracing::warn!(manifest = %digest, "a manifest without tags stays: its owner's PDS is too slow"),
        }
    }

    async fn try_remove(&self, login: &Login, owner: &Account, digest: &Digest) -> Result<bool, ImagesError> {
        if !self.holds.chosen(owner).await?.auto_remove {
            return Ok(false);
        }
        let turn = self.turns.manifest(&owner.did, digest).await;
        if !self.repos.tags_at(owner, digest).await?.is_empty() {
            return Ok(false);
        }
        let mut is_part = false;
        let look = |found: FoundManifest| is_part |= found.record.children().any(|child| child == *digest);
        if !self.repos.each_manifest(owner, MAX_PAGES, look).await? || is_part {
            return Ok(false);
        }
        let seen = self.repos.record(owner, nsid::MANIFEST, &manifest_key(digest)).await?;
        if seen.value.is_some() {
            self.delete_record(&turn, login, owner, digest, &seen).await?;
        }
        Ok(seen.value.is_some())
    }
}
