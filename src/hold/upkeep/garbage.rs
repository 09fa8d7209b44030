//! Garbage collection: removes blobs that no layer record and no manifest's config names, and that were not uploaded or
//! requested during the grace period.
//!
//! A candidate is judged again in the transaction that deletes its row, while no upload of it can complete and no
//! request is told that it exists. A manifest is recorded in a transaction of its own, which runs either before, so
//! that the blob stays, or after, so that the manifest is refused. The object is deleted after its row: see
//! [`removal`](super::removal).
//!
//! The caller first reads the repositories of the accounts that may push
//! ([`Images::reconcile`](crate::images::Images::reconcile)), and passes the accounts that it could not read: blobs
//! that may belong to one of these are kept. So are blobs that a repair recorded, until they are uploaded. A collection
//! that would remove more than half of everything does nothing unless it is forced to.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::usage::Amount;
use super::{Upkeep, UpkeepError, detached};
use crate::blobs;
use crate::blobs::BlobTotals;
use crate::blobs::BlobUseRow;
use crate::images;
use crate::images::{Reconciled, UnaskedAccount};
use atproto::syntax::{Datetime, Digest, millis};
use server::daemon::ClockSteps;
use server::sqlite::{Read, Write};
use server::storage::StorageError;

/// Blobs deleted in one batch: their digests are locked until the store has responded, and a small store under load was
/// seen to take a tenth of a second for each.
const DELETED_AT_ONCE: usize = 100;
/// Limit of garbage that is listed; more is only counted.
const LISTED: usize = 10_000;

/// The options of a collection.
#[derive(Clone, Debug, Default)]
pub struct CollectOptions {
    /// Whether to change nothing, and return what would be removed.
    pub dry_run: bool,
    /// Whether to remove the blobs even if they are more than half of everything.
    pub force: bool,
    /// The result of the reconciliation that ran before.
    pub reconciled: Reconciled,
}

/// A blob that no record refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Garbage {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Time of its last upload or request; a request may be up to an hour later.
    pub used_at: Datetime,
}

/// The result of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Collected {
    /// The storage of the blobs: its directory or bucket.
    pub place: String,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Grace period in seconds: the least time since the last use of a blob that may be removed.
    pub grace_s: u64,
    /// Garbage that was removed, or would be in a dry run.
    pub garbage: Amount,
    /// The oldest last use among the garbage.
    pub oldest_use: Option<Datetime>,
    /// Blobs kept because a layer record or a manifest names them.
    pub named: Amount,
    /// Blobs kept because they were uploaded or requested during the grace period.
    pub recent: Amount,
    /// Blobs kept because they may belong to accounts whose repositories could not be read.
    pub unasked: Amount,
    /// Blobs kept because a repair recorded them, and they were not uploaded since.
    pub found: Amount,
    /// The accounts whose repositories could not be read.
    pub accounts: Vec<UnaskedAccount>,
    /// Whether the collection needs `force`, because it would remove more than half of everything.
    pub needs_force: bool,
    /// Objects that this and earlier collections have yet to remove from the store.
    pub unfinished: Amount,
    /// The first 10,000 blobs of the garbage.
    pub listed: Vec<Garbage>,
}

impl Collected {
    fn add(&mut self, row: &BlobUseRow, verdict: Verdict) {
        match verdict {
            Verdict::Named => self.named.add(row.size_bytes),
            Verdict::Recent => self.recent.add(row.size_bytes),
            Verdict::Unasked => self.unasked.add(row.size_bytes),
            Verdict::Found => self.found.add(row.size_bytes),
            Verdict::Garbage => {
                self.garbage.add(row.size_bytes);
                let used_at = Datetime::from_micros(row.used_us);
                if self.oldest_use.as_ref().is_none_or(|oldest| used_at < *oldest) {
                    self.oldest_use = Some(used_at.clone());
                }
                if self.listed.len() < LISTED {
                    let BlobUseRow { digest, size_bytes, .. } = *row;
                    self.listed.push(Garbage { digest, size_bytes, used_at });
                }
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Named,
    Recent,
    Unasked,
    Found,
    Garbage,
}

/// The rules of a collection: the time limit, blobs that reconciled manifests name, and unread accounts.
#[derive(Clone)]
struct Rules {
    before_us: u64,
    named: Arc<HashSet<Digest>>,
    unasked: Arc<HashSet<String>>,
}

impl Verdict {
    fn of(row: &BlobUseRow, rules: &Rules, read: &Read<'_>) -> Result<Self, StorageError> {
        if images::is_referenced(read, &row.digest)? || rules.named.contains(&row.digest) {
            return Ok(Self::Named);
        }
        if row.used_us >= rules.before_us {
            return Ok(Self::Recent);
        }
        let uploaders = blobs::uploaders(read, &row.digest)?;
        if uploaders.iter().any(String::is_empty) {
            return Ok(Self::Found);
        }
        // The uploaders of blobs from before uploaders were recorded are not known.
        let could_be = |unasked: &HashSet<String>| {
            !unasked.is_empty() && (uploaders.is_empty() || uploaders.iter().any(|account| unasked.contains(account)))
        };
        Ok(if could_be(&rules.unasked) { Self::Unasked } else { Self::Garbage })
    }
}

impl Upkeep {
    /// Removes blobs that no record refers to, or only returns them in a dry run. `report` is called with the number of
    /// blobs judged, and of all blobs.
    ///
    /// # Errors
    /// [`UpkeepError`]; what was removed stays removed, and [`Upkeep::finish_removals`] finishes what was begun.
    pub async fn collect(
        &self,
        options: CollectOptions,
        report: impl Fn(u64, u64) + Send + Sync,
    ) -> Result<Collected, UpkeepError> {
        let CollectOptions { dry_run, force, reconciled } = options;
        let rules = Rules {
            before_us: self.unused_before_us(),
            named: reconciled.named.into(),
            unasked: Arc::new(reconciled.unasked.iter().map(|account| account.did.to_string()).collect()),
        };
        let _only = if dry_run { None } else { Some(self.alone()?) };
        self.check_storage().await?;
        let began = Instant::now();
        let mut collected = Collected {
            place: self.store.name.to_string(),
            dry_run,
            grace_s: self.grace.as_secs(),
            garbage: Amount::default(),
            oldest_use: None,
            named: Amount::default(),
            recent: Amount::default(),
            unasked: Amount::default(),
            found: Amount::default(),
            accounts: reconciled.unasked,
            needs_force: false,
            unfinished: Amount::default(),
            listed: Vec::new(),
        };
        let outcome = self.collect_into(&mut collected, &rules, force, report).await;
        let unfinished = self.db.read(blobs::pending_deletion_totals).await?;
        collected.unfinished = Amount { count: unfinished.blobs, size_bytes: unfinished.size_bytes };
        if !dry_run {
            let Collected { garbage, named, recent, unasked, found, unfinished, .. } = &collected;
            tracing::info!(
                blobs = garbage.count,
                bytes = garbage.size_bytes,
                kept = named.count + recent.count + unasked.count + found.count,
                unfinished = unfinished.count,
                duration_ms = millis(began.elapsed()),
                error = outcome.as_ref().err().map(tracing::field::display),
                "garbage collected"
            );
        }
        outcome?;
        if !dry_run {
            self.runs.collected_us.set((self.clock)());
        }
        Ok(collected)
    }

    async fn collect_into(
        &self,
        collected: &mut Collected,
        rules: &Rules,
        force: bool,
        report: impl Fn(u64, u64) + Send + Sync,
    ) -> Result<(), UpkeepError> {
        let begin = |read: &Read<'_>| {
            Ok::<_, StorageError>((images::manifests_without_config(read)?, blobs::blob_totals(read)?))
        };
        let (unknown, totals) = self.db.read(begin).await?;
        if unknown > 0 {
            return Err(UpkeepError::UnknownConfigs(unknown));
        }
        if !collected.dry_run {
            self.finish_removals().await?;
            self.bring_back_uses().await?;
        }
        let foreseen = self.foresee(rules).await?;
        collected.needs_force = is_most(&foreseen, totals);
        if collected.needs_force && !collected.dry_run && !force {
            return Err(UpkeepError::Brake { garbage: foreseen.count, all: totals.blobs });
        }
        let mut garbage = Vec::new();
        let mut judged = 0;
        for first in 0..=u8::MAX {
            for (row, verdict) in self.verdicts_of(first, rules).await? {
                judged += 1;
                if verdict == Verdict::Garbage { garbage.push(row) } else { collected.add(&row, verdict) }
            }
            while garbage.len() >= DELETED_AT_ONCE || (first == u8::MAX && !garbage.is_empty()) {
                let rest = garbage.split_off(garbage.len().min(DELETED_AT_ONCE));
                self.delete(std::mem::replace(&mut garbage, rest), rules, collected).await?;
            }
            report(judged.min(totals.blobs), totals.blobs);
        }
        Ok(())
    }

    /// Makes the uses of a clock that was ahead uses of now: else what was used then is no garbage until that time comes.
    async fn bring_back_uses(&self) -> Result<(), StorageError> {
        let now_us = (self.clock)();
        let latest_us = ClockSteps::latest_us(now_us);
        self.digests.bring_back_uses(now_us, latest_us);
        for first in 0..=u8::MAX {
            if self.db.read(move |read| blobs::has_later_use(read, first, latest_us)).await? {
                self.db.write(move |write| blobs::bring_back_uses(write, first, now_us, latest_us)).await?;
            }
        }
        Ok(())
    }

    /// Returns what a collection would remove now.
    async fn foresee(&self, rules: &Rules) -> Result<Amount, StorageError> {
        let mut garbage = Amount::default();
        for first in 0..=u8::MAX {
            let verdicts = self.verdicts_of(first, rules).await?;
            let goes = verdicts.iter().filter(|(_, verdict)| *verdict == Verdict::Garbage);
            goes.for_each(|(row, _)| garbage.add(row.size_bytes));
        }
        Ok(garbage)
    }

    async fn verdicts_of(&self, first: u8, rules: &Rules) -> Result<Vec<(BlobUseRow, Verdict)>, StorageError> {
        let rules = rules.clone();
        let judge = move |read: &Read<'_>| {
            let rows = blobs::blob_uses_of(read, first)?;
            let verdicts = rows.into_iter().map(|row| Verdict::of(&row, &rules, read).map(|verdict| (row, verdict)));
            verdicts.collect()
        };
        self.db.read(judge).await
    }

    /// Deletes garbage, or judges it again in a dry run, and counts the results.
    async fn delete(
        &self,
        garbage: Vec<BlobUseRow>,
        rules: &Rules,
        collected: &mut Collected,
    ) -> Result<(), UpkeepError> {
        if collected.dry_run {
            let claim = self.digests.claim_unused(garbage.iter().map(|row| row.digest), rules.before_us);
            for row in &garbage {
                let is_unused = claim.digests().contains(&row.digest);
                collected.add(row, if is_unused { Verdict::Garbage } else { Verdict::Recent });
            }
            return Ok(());
        }
        let (upkeep, rules) = (self.clone(), rules.clone());
        // A task of its own: it runs to its end, also when the client disconnects, because digests are locked, and
        // objects without a row are to be removed.
        let (verdicts, removed) = detached(async move {
            let alone: Vec<_> =
                garbage.iter().filter_map(|row| Some((row.digest, upkeep.digests.try_lock(&row.digest)?))).collect();
            let verdicts = upkeep.mark_pending(garbage, alone.iter().map(|(digest, _)| *digest), rules).await?;
            let pending = verdicts
                .iter()
                .filter(|(_, verdict)| *verdict == Verdict::Garbage)
                .map(|(row, _)| row.digest)
                .collect();
            let removed = upkeep.remove(pending).await;
            drop(alone);
            Ok((verdicts, removed))
        })
        .await?;
        verdicts.iter().for_each(|(row, verdict)| collected.add(row, *verdict));
        removed
    }

    /// Deletes the rows of blobs that still are garbage, and lists their objects for removal.
    async fn mark_pending(
        &self,
        garbage: Vec<BlobUseRow>,
        locked: impl Iterator<Item = Digest>,
        rules: Rules,
    ) -> Result<Vec<(BlobUseRow, Verdict)>, UpkeepError> {
        let claim = self.digests.claim_unused(locked, rules.before_us);
        let unused: std::collections::HashSet<_> = claim.digests().iter().copied().collect();
        let now_us = (self.clock)();
        let mark = move |write: &Write<'_>| {
            let mut verdicts = Vec::new();
            for seen in garbage {
                if !unused.contains(&seen.digest) {
                    verdicts.push((seen, Verdict::Recent));
                    continue;
                }
                // A repair may have deleted the row.
                let Some(row) = blobs::blob_use(write, &seen.digest)? else { continue };
                let verdict = Verdict::of(&row, &rules, write)?;
                if verdict == Verdict::Garbage {
                    blobs::put_pending_deletion(write, &row.digest, row.size_bytes, now_us)?;
                }
                verdicts.push((row, verdict));
            }
            Ok::<_, StorageError>(verdicts)
        };
        Ok(self.db.write(mark).await?)
    }
}

/// Whether more than half of the blobs or of their bytes would be removed.
fn is_most(garbage: &Amount, all: BlobTotals) -> bool {
    garbage.count > 0 && (garbage.count > all.blobs / 2 || garbage.size_bytes > all.size_bytes / 2)
}
