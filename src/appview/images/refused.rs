//! Manifests that holds did not take although their push was acknowledged: for their owners to see.

use super::{Images, RefusedNotice, tables};
use atproto::syntax::{Did, Digest};
use server::storage::StorageError;

/// How long they are shown, in microseconds: 30 days.
const SHOWN_FOR_US: u64 = 30 * 86_400 * 1_000_000;

impl Images {
    /// Returns the manifests of an account that holds did not take in the last 30 days, the newest first, 200 at most.
    ///
    /// # Errors
    /// When the database fails; the same below.
    pub async fn refused_of(&self, account: &Did) -> Result<Vec<RefusedNotice>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::refused::of_account(read, &account)).await
    }

    /// Returns what a hold said of a manifest that it did not take; `None` if there is no such manifest.
    ///
    /// # Errors
    /// As [`Images::refused_of`].
    pub async fn refused(&self, account: &Did, manifest: &Digest) -> Result<Option<RefusedNotice>, StorageError> {
        let (account, manifest) = (account.clone(), *manifest);
        self.database.read(move |read| tables::refused::of_manifest(read, &account, &manifest)).await
    }

    /// Forgets what holds did not take more than 30 days ago.
    ///
    /// # Errors
    /// As [`Images::refused_of`].
    pub async fn sweep(&self) -> Result<(), StorageError> {
        let until_us = (self.clock)().saturating_sub(SHOWN_FOR_US);
        self.database.write(move |write| tables::refused::sweep(write, until_us)).await
    }
}
