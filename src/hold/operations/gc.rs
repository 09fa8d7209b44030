//! The operation of garbage collection.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::storage::{admin_error, reporting};
use crate::hold::Hold;
use crate::upkeep::{CollectOptions, Collected, UpkeepError};
use server::control::{AdminError, Operation, Reporter};

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

/// Reconciles the recorded images with the repositories of all who can push, and then collects garbage.
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
    hold.upkeep.collect(options, reporting(reporter, "blobs")).await
}
