//! Quotas: the bytes that one account may have in blobs, in staged parts, and in parts in flight.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::names::UploadId;
use super::{BlobError, Blobs};
use crate::blobs::tables;
use crate::blobs::tables::AccountUsage;
use atproto::syntax::{Did, Size};
use server::nonpoison::Mutex;
use server::sqlite::Read;
use server::storage::StorageError;

/// Number of last uses at which those that no longer matter are dropped.
const PURGE_AT: usize = 1024;

/// The source of each account's limit.
pub trait QuotaLimits: Send + Sync {
    /// Whether any account has a limit.
    fn is_any(&self) -> bool {
        true
    }

    /// Returns the limit of `account` in bytes, in this snapshot; `None` when it has none.
    ///
    /// # Errors
    /// When the database fails.
    fn limit_bytes(&self, read: &Read<'_>, account: &Did) -> Result<Option<u64>, StorageError>;
}

/// Bytes that all accounts together uploaded and no manifest names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnpushedBytes {
    /// Of blobs, each once for each of its uploaders.
    pub unreferenced: u64,
    /// Of open uploads.
    pub staged: u64,
}

/// The quotas of all accounts.
#[derive(Default)]
pub(super) struct Quotas {
    limits: OnceLock<Arc<dyn QuotaLimits>>,
    /// Bytes in each account's parts in flight, which no row counts yet.
    receiving: Mutex<HashMap<Did, u64>>,
    /// Open uploads whose completion was refused, and that got no part since.
    refused: Mutex<HashSet<UploadId>>,
    uses: Uses,
}

/// The last uses of uploads, by a clock that nobody sets and that stands while the machine sleeps.
struct Uses {
    /// Stands for the last use by an earlier process.
    began: Instant,
    last: Mutex<HashMap<UploadId, Instant>>,
}

impl Default for Uses {
    fn default() -> Self {
        Self { began: Instant::now(), last: Mutex::default() }
    }
}

impl Uses {
    fn note(&self, id: &UploadId, idle: Duration) {
        let mut last = self.last.lock();
        if last.len() >= PURGE_AT {
            last.retain(|_, at| at.elapsed() < idle);
        }
        last.insert(*id, Instant::now());
    }

    fn is_idle(&self, id: &UploadId, idle: Duration) -> bool {
        self.last.lock().get(id).unwrap_or(&self.began).elapsed() >= idle
    }
}

/// The usage and the limit of one account.
#[derive(Debug, Clone, Copy)]
pub(super) struct QuotaUsage {
    used_bytes: u64,
    limit_bytes: u64,
}

impl QuotaUsage {
    fn left_bytes(self) -> u64 {
        self.limit_bytes.saturating_sub(self.used_bytes)
    }

    fn refusal(self, added_bytes: u64) -> BlobError {
        let size = |bytes| Size { bytes };
        let (used, limit) = (size(self.used_bytes), size(self.limit_bytes));
        BlobError::QuotaExceeded { used, added: size(added_bytes), limit }
    }
}

impl Quotas {
    pub(super) fn set_limits(&self, limits: Arc<dyn QuotaLimits>) {
        // Ignored if set before: a hold is opened once.
        let _ = self.limits.set(limits);
    }

    fn is_any(&self) -> bool {
        self.limits.get().is_some_and(|limits| limits.is_any())
    }

    /// Returns the usage of `account` less `replaced_bytes`, and its limit; `None` when it has no limit.
    pub(super) fn usage(
        &self,
        read: &Read<'_>,
        account: &Did,
        replaced_bytes: u64,
    ) -> Result<Option<QuotaUsage>, StorageError> {
        let Some(limits) = self.limits.get() else { return Ok(None) };
        let Some(limit_bytes) = limits.limit_bytes(read, account)? else { return Ok(None) };
        let used_bytes = tables::account_usage(read, account)?.total_bytes().saturating_sub(replaced_bytes);
        Ok(Some(QuotaUsage { used_bytes, limit_bytes }))
    }

    /// Fails with [`BlobError::QuotaExceeded`] when the account has no space left.
    pub(super) fn check_any(&self, read: &Read<'_>, account: &Did) -> Result<(), BlobError> {
        match self.usage(read, account, 0)? {
            Some(usage) if usage.left_bytes() == 0 => Err(usage.refusal(0)),
            _ => Ok(()),
        }
    }

    /// Fails with [`BlobError::QuotaExceeded`] when the account has more than its limit.
    pub(super) fn check(&self, read: &Read<'_>, account: &Did) -> Result<(), BlobError> {
        match self.usage(read, account, 0)? {
            Some(usage) if usage.used_bytes > usage.limit_bytes => Err(usage.refusal(0)),
            _ => Ok(()),
        }
    }

    /// Records whether the completion of an upload was refused; `false` also when the upload is in use or gone.
    pub(super) fn note_completion(&self, id: &UploadId, is_refused: bool) {
        let mut refused = self.refused.lock();
        if is_refused {
            refused.insert(*id)
        } else {
            refused.remove(id)
        };
    }

    fn is_refused(&self, id: &UploadId) -> bool {
        self.refused.lock().contains(id)
    }

    /// Records that an upload was used just now, where uploads are idle after `idle`.
    pub(super) fn note_use(&self, id: &UploadId, idle: Duration) {
        self.uses.note(id, idle);
    }

    /// Returns the share of a part that `account` is about to send; `None` without a limit.
    pub(super) fn share(self: &Arc<Self>, account: &Did, usage: Option<QuotaUsage>) -> Option<QuotaShare> {
        usage.map(|usage| QuotaShare {
            quotas: Arc::clone(self),
            account: account.clone(),
            usage,
            held_bytes: Mutex::new(0),
        })
    }
}

/// The share of an account's quota that a part in flight takes, until it is dropped.
pub(super) struct QuotaShare {
    quotas: Arc<Quotas>,
    account: Did,
    usage: QuotaUsage,
    held_bytes: Mutex<u64>,
}

impl QuotaShare {
    /// Raises the share to `size_bytes` in all.
    ///
    /// # Errors
    /// [`BlobError::QuotaExceeded`] when the account has less left beside its other parts in flight.
    pub(super) fn take(&self, size_bytes: u64) -> Result<(), BlobError> {
        let mut held_bytes = self.held_bytes.lock();
        if size_bytes <= *held_bytes {
            return Ok(());
        }
        let mut receiving = self.quotas.receiving.lock();
        let all_bytes = receiving.entry(self.account.clone()).or_default();
        let others_bytes = *all_bytes - *held_bytes;
        if others_bytes.saturating_add(size_bytes) > self.usage.left_bytes() {
            return Err(self.usage.refusal(size_bytes));
        }
        *all_bytes = others_bytes + size_bytes;
        *held_bytes = size_bytes;
        Ok(())
    }
}

impl Drop for QuotaShare {
    fn drop(&mut self) {
        let held_bytes = *self.held_bytes.lock();
        let mut receiving = self.quotas.receiving.lock();
        if let Some(all_bytes) = receiving.get_mut(&self.account) {
            *all_bytes -= held_bytes;
            if *all_bytes == 0 {
                receiving.remove(&self.account);
            }
        }
    }
}

impl Blobs {
    /// Sets the source of each account's limit; without it no account has a limit.
    pub fn set_quota_limits(&self, limits: Arc<dyn QuotaLimits>) {
        self.sessions.quotas.set_limits(limits);
    }

    /// Returns the usage of each account.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn account_usages(&self) -> Result<Vec<(Did, AccountUsage)>, BlobError> {
        Ok(self.sessions.db.read(tables::account_usages).await?)
    }

    /// Returns what all accounts uploaded and no manifest names.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unpushed_bytes(&self) -> Result<UnpushedBytes, BlobError> {
        let mut sum = UnpushedBytes::default();
        for (_, usage) in self.account_usages().await? {
            sum.unreferenced += usage.unreferenced_bytes;
            sum.staged += usage.staged_bytes;
        }
        Ok(sum)
    }

    /// Drops idle uploads of `account`, longest unused first, when `added_bytes` do not fit its quota and would fit
    /// without them. The upload `needed` stays.
    pub(super) async fn drop_idle_uploads(
        &self,
        account: &Did,
        needed: Option<UploadId>,
        added_bytes: u64,
    ) -> Result<(), BlobError> {
        if !self.sessions.quotas.is_any() {
            return Ok(());
        }
        let (quotas, owner) = (Arc::clone(&self.sessions.quotas), account.clone());
        let find = move |read: &Read<'_>| {
            let Some(usage) = quotas.usage(read, &owner, 0)? else { return Ok::<_, BlobError>(None) };
            let wanted_bytes = usage.used_bytes.saturating_add(added_bytes).saturating_sub(usage.limit_bytes);
            if wanted_bytes == 0 { Ok(None) } else { Ok(Some((wanted_bytes, tables::staged_uploads(read, &owner)?))) }
        };
        let Some((mut wanted_bytes, mut uploads)) = self.sessions.db.read(find).await? else { return Ok(()) };
        let (quotas, idle) = (&self.sessions.quotas, self.sessions.limits().idle_upload);
        let is_idle = |id: &UploadId| quotas.is_refused(id) || quotas.uses.is_idle(id, idle);
        uploads.retain(|(id, ..)| {
            let id = UploadId::from_key(*id);
            needed.is_none_or(|needed| needed != id) && is_idle(&id)
        });
        if uploads.iter().map(|(_, _, bytes)| bytes).sum::<u64>() < wanted_bytes {
            return Ok(());
        }
        for (id, _, bytes) in uploads {
            if wanted_bytes == 0 {
                break;
            }
            let id = UploadId::from_key(id);
            // The lock's holder works on the upload, perhaps for minutes.
            let Some(upload) = self.sessions.uploads.try_lock(&id) else { continue };
            if !upload.is_shared() && is_idle(&id) && self.drop_locked(&upload, |_| true).await? {
                tracing::info!(%account, upload = %id, bytes, "an idle upload dropped: its account needs the room of its quota");
                self.sessions.counts.swept.inc();
                wanted_bytes = wanted_bytes.saturating_sub(bytes);
            }
        }
        Ok(())
    }
}
