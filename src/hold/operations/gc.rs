//! Removing blobs that nothing needs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::storage::{counted, words};
use super::{AdminError, Hold, Operation, Reporter};
use crate::upkeep::Collected;

/// Removes blobs that nothing needs, or says what that would be.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GcRun {
    /// Whether only to say it.
    pub dry_run: bool,
}

impl Operation for GcRun {
    const NAME: &'static str = "gc.run";
    type Output = Collected;

    async fn run(self, hold: Arc<Hold>, reporter: Reporter) -> Result<Collected, AdminError> {
        hold.upkeep.collect(self.dry_run, counted(reporter, "blobs")).await.map_err(words)
    }
}
