//! The operation of garbage collection.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::storage::{admin_error, reporting};
use crate::hold::Hold;
use crate::pds::{PdsError, Repository};
use crate::upkeep::{CollectOptions, Collected, UpkeepError};
use server::control::{AdminError, Operation, Reporter};

/// Name of the value in `meta` with the time of the last collection, in microseconds since 1970.
const META_NAME: &str = "garbage_collected_us";

/// Removes blobs that nothing needs, or returns what would be removed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GcRun {
    /// Whether to change nothing, and return what would be removed.
    pub dry_run: bool,
    /// Whether to remove the blobs even if they are more than half of everything.
    #[serde(default)]
    pub force: bool,
}

impl Operation for GcRun {
    const NAME: &'static str = "gc.run";
    type Subject = Hold;
    type Output = Collected;

    async fn run(self, hold: Arc<Hold>, reporter: Reporter) -> Result<Collected, AdminError> {
        collect_garbage(&hold, self.dry_run, self.force, reporter).await.map_err(admin_error)
    }
}

/// Reconciles the recorded images with the repositories of all who can push, and then collects garbage. The time of a
/// collection that ended well is stored, for the schedule of a later process.
///
/// # Errors
/// [`UpkeepError`]
pub async fn collect_garbage(
    hold: &Hold,
    dry_run: bool,
    force: bool,
    reporter: Reporter,
) -> Result<Collected, UpkeepError> {
    let report = reporting(reporter.clone(), "accounts");
    let reconciled = hold.images.reconcile(&hold.resolver, dry_run, hold.clock, report).await?;
    let options = CollectOptions { dry_run, force, reconciled };
    let collected = hold.upkeep.collect(options, reporting(reporter, "blobs")).await?;
    if !dry_run && let Err(error) = put_last_collection(hold, (hold.clock)()).await {
        tracing::warn!(%error, "the time of the garbage collection could not be stored");
    }
    Ok(collected)
}

/// Returns the stored time of the last collection, in microseconds since 1970; `None` before the first.
///
/// # Errors
/// When the database fails.
pub async fn last_collection(hold: &Hold) -> Result<Option<u64>, PdsError> {
    let text = hold.pds.read(|records| records.meta(META_NAME)).await?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// Stores the time of the last collection, in microseconds since 1970.
///
/// # Errors
/// When the database fails.
pub async fn put_last_collection(hold: &Hold, at_us: u64) -> Result<(), PdsError> {
    let put = move |repository: &Repository<'_>| repository.put_meta(META_NAME, &at_us.to_string());
    hold.pds.transact(at_us, put).await
}
