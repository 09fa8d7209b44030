//! Images: what is recorded of them, against the repositories of those who push.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::storage::reporting;
use crate::hold::Hold;
use crate::images::Reconciled;
use server::control::{AdminError, Operation, Reporter};

/// Records what the repositories of those who can push have of images here, and the hold has not.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagesReconcile {
    /// Whether only to say it.
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
