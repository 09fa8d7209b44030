//! Reconciles the records of images with the repositories of the accounts that own them.
//!
//! A push stands in its owner's repository before the registry tells the hold of it (`notifyManifest`). That word can be
//! lost, or refused. Here the hold asks for itself: at each account that can push, for its `io.atcr.manifest` records
//! that name this hold. What is not recorded is recorded, so that the blobs have a name and count for their account.
//! An account that cannot be asked is said to be so; whoever removes blobs leaves alone what could be its own. Who is banned
//! is asked only as a member again: that is how a captain gives up an account whose server is gone for good.
//!
//! The records of an account are trusted, and count for it; see [`Resolver::list_records`].

use std::collections::{BTreeSet, HashSet};

use futures_util::stream::{self, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::account_manifests::{ListEnd, Listed, list};
use super::push::{Keys, layer_change};
use super::{GrowthLimits, Image, Images, ImagesError, OwnAddress, Push, PushedLayer, stats, stats_key, tables};
use crate::blobs;
use crate::crew::Crew;
use crate::pds::{Plan, RecordChange, Records, Repository};
use atproto::syntax::{AtUri, Datetime, Did, Digest};
use server::identity::Resolver;

/// Accounts read concurrently, each with one page of 4 MiB in memory.
const ACCOUNTS_AT_ONCE: usize = 4;
/// Layers written in one transaction, so that it does not delay other writers for long.
const LAYERS_AT_ONCE: usize = 500;
/// Records written in one commit: their proofs have to fit into its event, however far apart the records are.
const WRITES_AT_ONCE: usize = 100;
/// Limit of recorded manifests that are listed; more are only counted.
const LISTED: usize = 10_000;

/// The result of a reconciliation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reconciled {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Number of accounts whose repositories were read, also in vain.
    pub accounts: u64,
    /// Number of manifests in their repositories that name this hold.
    pub manifests: u64,
    /// Number of manifests that were not recorded, or not completely, and are now, or would be in a dry run.
    pub recorded: u64,
    /// Number of layer records written for them, or that would be.
    pub layers: u64,
    /// Number of manifests whose blobs are not all here. Those that are here are recorded.
    pub incomplete: u64,
    /// Number of manifests whose record is not valid.
    pub invalid: u64,
    /// Number of manifests that name an address which this hold had before. Their blobs are kept, nothing is recorded.
    pub earlier_address: u64,
    /// Accounts that could not be read, or not to the end of their list.
    pub unasked: Vec<UnaskedAccount>,
    /// The first 10,000 of the recorded manifests.
    pub listed: Vec<AtUri>,
    /// All blobs here that a manifest names, also where nothing was written.
    #[serde(skip)]
    pub named: HashSet<Digest>,
}

/// An account whose repository was not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnaskedAccount {
    /// The account.
    pub did: Did,
    /// The reason.
    pub reason: String,
}

/// What is missing of some pushes, and which of their blobs are not.
#[derive(Default)]
struct Missing {
    recorded: Vec<AtUri>,
    layers: u64,
    incomplete: u64,
    here: HashSet<Digest>,
}

impl Images {
    /// Reads the repositories of all accounts that may push, and records what is missing; with `dry_run` only returns
    /// it. Quotas are not checked: the blobs are here, and count from now on. `report` is called with the number of
    /// accounts read, and of all. `clock` returns microseconds since 1970.
    ///
    /// # Errors
    /// A storage error; what was recorded until then stays recorded.
    pub async fn reconcile(
        &self,
        resolver: &Resolver,
        dry_run: bool,
        clock: fn() -> u64,
        report: impl Fn(u64, u64) + Send + Sync,
    ) -> Result<Reconciled, ImagesError> {
        let accounts = self.pushers().await?;
        let total = accounts.len() as u64;
        let earlier = self.inner.pds.earlier_addresses().await?;
        let hold = OwnAddress { did: self.inner.pds.did(), url: self.inner.pds.url(), earlier: &earlier };
        let mut reconciled = Reconciled { dry_run, ..Reconciled::default() };
        // A page is gone before its account is asked for the next one, however long the list is.
        let (pages, mut listed) = mpsc::channel(1);
        let asking = async {
            let pages = pages;
            let list = |did| list(resolver, hold, did, pages.clone());
            stream::iter(accounts).for_each_concurrent(ACCOUNTS_AT_ONCE, list).await;
        };
        let reconciled_so_far = &mut reconciled;
        let recording = async move {
            while let Some((did, page)) = listed.recv().await {
                let is_last = page.end.is_some();
                self.record_missing(reconciled_so_far, did, page, clock).await?;
                if is_last {
                    reconciled_so_far.accounts += 1;
                    report(reconciled_so_far.accounts, total);
                }
            }
            Ok::<_, ImagesError>(())
        };
        let ((), recorded) = tokio::join!(asking, recording);
        recorded?;
        reconciled.unasked.sort_by(|one, other| one.did.cmp(&other.did));
        let Reconciled { accounts, manifests, recorded, layers, incomplete, invalid, ref unasked, .. } = reconciled;
        tracing::info!(
            accounts,
            manifests,
            recorded,
            layers,
            incomplete,
            invalid,
            unasked = unasked.len(),
            dry_run,
            "images reconciled with {accounts} repositories: {recorded} of {manifests} manifests were not recorded, {} \
             accounts could not be asked",
            unasked.len()
        );
        Ok(reconciled)
    }

    /// The owner, the crew, and whoever has records of pushes and is not banned. A ban takes its account out of the crew;
    /// one who is a member all the same was taken in again.
    async fn pushers(&self) -> Result<BTreeSet<Did>, ImagesError> {
        let job = |records: &Records<'_>| {
            let mut asked = Crew::writers(records)?;
            for account in tables::pushing_accounts(records.snapshot())? {
                if !Crew::is_banned(records, &account)? {
                    asked.insert(account);
                }
            }
            Ok::<_, ImagesError>(asked)
        };
        self.inner.pds.read(job).await
    }

    async fn record_missing(
        &self,
        reconciled: &mut Reconciled,
        did: Did,
        listed: Listed,
        clock: fn() -> u64,
    ) -> Result<(), ImagesError> {
        if let Some(ListEnd::Unasked(reason)) = listed.end {
            tracing::warn!(
                %did,
                "images of {did} not reconciled: {reason}; blobs that could be its own are kept (if the account is gone for \
                 good: atcr-hold crew ban {did})"
            );
            reconciled.unasked.push(UnaskedAccount { did, reason });
        }
        reconciled.invalid += listed.invalid as u64;
        reconciled.earlier_address += listed.earlier as u64;
        reconciled.named.extend(self.those_here(listed.named).await?);
        reconciled.manifests += listed.pushes.len() as u64;
        let mut pushes = listed.pushes.into_iter().peekable();
        while pushes.peek().is_some() {
            let mut layers = 0;
            let mut some = Vec::new();
            while let Some(push) = pushes.next_if(|push| some.is_empty() || layers + push.layers.len() < LAYERS_AT_ONCE)
            {
                // A push without layers is work too.
                layers += push.layers.len() + 1;
                some.push(push);
            }
            let missing = self.record_some(some, reconciled.dry_run, clock()).await?;
            reconciled.recorded += missing.recorded.len() as u64;
            reconciled.layers += missing.layers;
            reconciled.incomplete += missing.incomplete;
            reconciled.named.extend(missing.here);
            let room = LISTED.saturating_sub(reconciled.listed.len());
            reconciled.listed.extend(missing.recorded.into_iter().take(room));
        }
        Ok(())
    }

    async fn those_here(&self, named: Vec<Digest>) -> Result<Vec<Digest>, ImagesError> {
        let job = move |records: &Records<'_>| {
            let mut here = Vec::new();
            for digest in named {
                here.extend(blobs::blob_size(records.snapshot(), &digest)?.map(|_| digest));
            }
            Ok::<_, ImagesError>(here)
        };
        self.inner.pds.read(job).await
    }

    /// One transaction, or none when nothing is to be written.
    async fn record_some(&self, pushes: Vec<Push>, dry_run: bool, now_us: u64) -> Result<Missing, ImagesError> {
        let looked = self.inner.pds.read(move |records| {
            let mut missing = Missing::default();
            for push in &pushes {
                look(records, push, &mut missing)?;
            }
            Ok::<_, ImagesError>((missing, pushes))
        });
        let (missing, pushes) = looked.await?;
        if dry_run || missing.recorded.is_empty() {
            return Ok(missing);
        }
        let growth = self.settings().growth;
        self.inner.pds.transact(now_us, move |repository| record(repository, growth, &pushes, now_us)).await
    }
}

/// The blobs of a push that are here; those of its layers, with their sizes in bytes, that have no record; whether all of
/// it is here, and whether something is to be written.
struct Look {
    here: Vec<Digest>,
    new: Vec<(PushedLayer, u64)>,
    is_whole: bool,
    is_missing: bool,
}

impl Look {
    fn at(records: &Records<'_>, push: &Push) -> Result<Self, ImagesError> {
        let rows = records.snapshot();
        let mut look = Self { here: Vec::new(), new: Vec::new(), is_whole: true, is_missing: false };
        for layer in &push.layers {
            match blobs::blob_size(rows, &layer.blob.digest)? {
                Some(size_bytes) => {
                    look.here.push(layer.blob.digest);
                    if !tables::is_layer_of(rows, &push.manifest, &layer.blob.digest)? {
                        look.new.push((layer.clone(), size_bytes));
                    }
                }
                None => look.is_whole &= layer.is_foreign(),
            }
        }
        if let Some(config) = &push.config {
            let is_here = blobs::blob_size(rows, &config.digest)?.is_some();
            look.is_whole &= is_here;
            look.here.extend(is_here.then_some(config.digest));
        }
        let is_known = tables::has_manifest(rows, &push.manifest)?;
        look.is_missing = !look.new.is_empty() || (!look.here.is_empty() && !is_known);
        Ok(look)
    }
}

fn look(records: &Records<'_>, push: &Push, missing: &mut Missing) -> Result<Look, ImagesError> {
    let look = Look::at(records, push)?;
    missing.incomplete += u64::from(!look.is_whole);
    missing.here.extend(&look.here);
    if look.is_missing {
        missing.layers += look.new.len() as u64;
        missing.recorded.push(push.manifest.clone());
    }
    Ok(look)
}

/// Writes what is missing: layer records, the config of each manifest, and statistics of an image that has none.
fn record(
    repository: &Repository<'_>,
    growth: GrowthLimits,
    pushes: &[Push],
    now_us: u64,
) -> Result<Missing, ImagesError> {
    let mut missing = Missing::default();
    let mut changes: Vec<RecordChange> = Vec::new();
    let mut keys = Keys::of(repository)?;
    // The statistics record is not in the repository yet when the next manifest of the same image follows.
    let mut counted = HashSet::new();
    for push in pushes {
        let look = look(&repository.records(), push, &mut missing)?;
        if !look.is_missing {
            continue;
        }
        for (layer, size_bytes) in &look.new {
            changes.push(layer_change(repository, push, &keys.next(), layer, *size_bytes, now_us)?);
            flush(repository, &mut changes, WRITES_AT_ONCE)?;
        }
        let config = push.config.map(|config| config.digest);
        tables::put_manifest(repository.transaction(), &push.manifest, &push.image.owner, config.as_ref())?;
        if counted.insert(stats_key(&push.image)) {
            changes.extend(first_stats(repository, growth, &push.image, now_us)?);
            flush(repository, &mut changes, WRITES_AT_ONCE)?;
        }
    }
    flush(repository, &mut changes, 1)?;
    Ok(missing)
}

/// Commits the changes if there are at least `least`.
fn flush(repository: &Repository<'_>, changes: &mut Vec<RecordChange>, least: usize) -> Result<(), ImagesError> {
    if changes.len() >= least {
        repository.commit(Plan::of(std::mem::take(changes)))?;
    }
    Ok(())
}

/// Returns the first statistics of an image that has none: it was pushed at least once, and its pulls are counted from
/// now on.
fn first_stats(
    repository: &Repository<'_>,
    growth: GrowthLimits,
    image: &Image,
    now_us: u64,
) -> Result<Option<RecordChange>, ImagesError> {
    match growth.check_image(repository, image) {
        // Its manifests and layers are recorded all the same.
        Err(refused) if refused.bound().is_some() => return Ok(None),
        outcome => outcome?,
    }
    let mut counts = stats::current(&repository.records(), image, now_us)?;
    if counts.push_count > 0 {
        return Ok(None);
    }
    counts.push_count = 1;
    counts.last_push = Some(Datetime::from_micros(now_us));
    stats::put(repository, &counts).map(Some)
}
