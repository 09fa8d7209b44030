//! The operation that reconciles the recorded images with the repositories of accounts that may push.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::storage::reporting;
use crate::hold::Hold;
use crate::images::Reconciled;
use server::control::{AdminError, Operation, Reporter};

/// Records images of this hold that are in the repositories of accounts that may push, but not recorded here.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagesReconcile {
    /// Whether to change nothing, and return what would be recorded.
    pub dry_run: bool,
}

impl Operation for ImagesReconcile {
    const NAME: &'static str = "images.reconcile";
    type Subject = Hold;
    type Output = Reconciled;

    async fn run(self, hold: Arc<Hold>, reporter: Reporter) -> Result<Reconciled, AdminError> {
        let report = reporting(reporter, "accounts");
        let reconciled = hold.images.reconcile(&hold.resolver, self.dry_run, hold.clock, report).await;
        reconciled.map_err(|error| AdminError::Failed(error.to_string()))
    }
}
