//! Operations on recorded images: reconciled with the repositories of accounts that may push, deleted of an account.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::storage::reporting;
use crate::hold::Hold;
use crate::images::Reconciled;
use atproto::lexicon::DeletedUserData;
use atproto::syntax::Did;
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

/// Deletes all records about an account, as `deleteUserData` does for its caller: membership, layers, statistics, posts.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImagesDelete {
    /// The account.
    pub did: Did,
}

impl Operation for ImagesDelete {
    const NAME: &'static str = "images.delete";
    type Subject = Hold;
    type Output = DeletedUserData;

    async fn run(self, hold: Arc<Hold>, _: Reporter) -> Result<DeletedUserData, AdminError> {
        let deleted = hold.images.delete_user_data(&self.did, hold.now_us()).await;
        deleted.map_err(|error| AdminError::Failed(error.to_string()))
    }
}
