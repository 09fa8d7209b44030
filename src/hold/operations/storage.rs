//! Operations on the storage: usage, verify, migrate, adopt.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::hold::Hold;
use crate::objects::Location;
use crate::upkeep::{BlobsVerified, Migrated, UpkeepError, Usage, VerifyOptions};
use atproto::syntax::Did;
use server::control::{AdminError, Operation, Progress, Reporter};

/// Returns the usage of the storage.
#[derive(Debug, Serialize, Deserialize)]
pub struct StorageUsage {}

impl Operation for StorageUsage {
    const NAME: &'static str = "storage.usage";
    type Subject = Hold;
    type Output = Usage;

    async fn run(self, hold: Arc<Hold>, reporter: Reporter) -> Result<Usage, AdminError> {
        hold.upkeep.usage(reporting(reporter, "blobs")).await.map_err(admin_error)
    }
}

/// Returns the usage of each account, the largest first.
#[derive(Debug, Serialize, Deserialize)]
pub struct StorageAccounts {}

/// The usage and quota of an account.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountStorage {
    /// The account.
    pub did: Did,
    /// Bytes in the distinct layers of its manifests.
    pub layer_bytes: u64,
    /// Bytes in the configs of its manifests.
    pub config_bytes: u64,
    /// Bytes in blobs that it uploaded and no manifest refers to.
    pub unreferenced_bytes: u64,
    /// Bytes staged by its open uploads.
    pub staged_bytes: u64,
    /// The sum of these.
    pub total_bytes: u64,
    /// The quota in bytes; `null` without a limit.
    pub limit_bytes: Option<u64>,
    /// The tier that the quota comes from.
    pub tier: Option<String>,
}

impl Operation for StorageAccounts {
    const NAME: &'static str = "storage.accounts";
    type Subject = Hold;
    type Output = Vec<AccountStorage>;

    async fn run(self, hold: Arc<Hold>, _: Reporter) -> Result<Vec<AccountStorage>, AdminError> {
        let failed = |error: &dyn std::fmt::Display| AdminError::failed(error.to_string());
        let mut accounts = Vec::new();
        for (did, usage) in hold.blobs.account_usages().await.map_err(|error| failed(&error))? {
            let quota = hold.images.quota(&did).await.map_err(|error| failed(&error))?;
            accounts.push(AccountStorage {
                did,
                layer_bytes: usage.layer_bytes,
                config_bytes: usage.config_bytes,
                unreferenced_bytes: usage.unreferenced_bytes,
                staged_bytes: usage.staged_bytes,
                total_bytes: usage.total_bytes(),
                limit_bytes: quota.limit,
                tier: quota.tier,
            });
        }
        accounts.sort_by_key(|account| std::cmp::Reverse(account.total_bytes));
        Ok(accounts)
    }
}

/// Reads every blob, and optionally repairs what is wrong.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageVerify {
    /// Whether to repair.
    pub repair: bool,
    /// Limit of bytes read a second; `null`: no limit.
    pub bytes_per_s: Option<u64>,
}

impl Operation for StorageVerify {
    const NAME: &'static str = "storage.verify";
    type Subject = Hold;
    type Output = BlobsVerified;

    async fn run(self, hold: Arc<Hold>, reporter: Reporter) -> Result<BlobsVerified, AdminError> {
        let options = VerifyOptions { repair: self.repair, bytes_per_s: self.bytes_per_s };
        hold.upkeep.verify(options, reporting(reporter, "bytes")).await.map_err(admin_error)
    }
}

/// Marks the storage at its place as the hold's own, whichever hold it belonged to.
#[derive(Debug, Serialize, Deserialize)]
pub struct StorageAdopt {}

impl Operation for StorageAdopt {
    const NAME: &'static str = "storage.adopt";
    type Subject = Hold;
    type Output = ();

    async fn run(self, hold: Arc<Hold>, _: Reporter) -> Result<(), AdminError> {
        hold.upkeep.adopt_storage().await.map_err(admin_error)
    }
}

/// Copies every blob to another storage.
#[derive(Debug, Serialize, Deserialize)]
pub struct StorageMigrate {
    /// The location of the other storage, with its secrets.
    pub to: Location,
    /// The hold whose storage that is, if it is not this one's.
    #[serde(default)]
    pub of_hold: Option<Did>,
}

impl Operation for StorageMigrate {
    const NAME: &'static str = "storage.migrate";
    type Subject = Hold;
    type Output = Migrated;

    async fn run(self, hold: Arc<Hold>, reporter: Reporter) -> Result<Migrated, AdminError> {
        hold.upkeep.migrate(&self.to, self.of_hold.as_ref(), reporting(reporter, "bytes")).await.map_err(admin_error)
    }
}

pub(super) fn reporting(reporter: Reporter, unit: &'static str) -> impl Fn(u64, u64) + Send + Sync + 'static {
    move |done, total| reporter.report(Progress { done, total: Some(total), unit: unit.into() })
}

pub(super) fn admin_error(error: UpkeepError) -> AdminError {
    AdminError::Failed(error.to_string())
}
