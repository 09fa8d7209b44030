//! Accounts, and all that this registry holds of one: what is not in their own repositories, and nobody else has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::queue::QueueList;
use super::sessions::SessionsList;
use super::uploads::UploadsList;
use crate::images::WaitingNotice;
use crate::oci::OciState;
use crate::web::Held;
use atproto::syntax::Did;
use server::control::{AdminError, Operation, Reporter};

/// An account that signed in, has an upload open, or of whose images holds are still to be told.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct HeldAccount {
    /// Sessions at its PDS.
    pub sessions: u64,
    /// Devices that act for it.
    pub devices: u64,
    /// Browsers in which it is signed in.
    pub browsers: u64,
    /// Uploads that are open.
    pub uploads: u64,
    /// Manifests that holds are still to be told of.
    pub notices: u64,
    /// Webhooks of its repositories.
    #[serde(default)]
    pub webhooks: u64,
}

/// All accounts that signed in, have uploads open, or of whose images holds are still to be told, by their DIDs.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountsList {}

impl Operation for AccountsList {
    const NAME: &'static str = "accounts.list";
    type Subject = OciState;
    type Output = BTreeMap<Did, HeldAccount>;

    async fn run(self, registry: Arc<OciState>, reporter: Reporter) -> Result<Self::Output, AdminError> {
        let mut accounts = Self::Output::new();
        for session in (SessionsList {}).run(Arc::clone(&registry), reporter.clone()).await? {
            accounts.entry(session.account).or_default().sessions += 1;
        }
        for upload in (UploadsList {}).run(Arc::clone(&registry), reporter.clone()).await? {
            accounts.entry(upload.account).or_default().uploads += 1;
        }
        for notice in (QueueList {}).run(Arc::clone(&registry), reporter).await? {
            accounts.entry(notice.account).or_default().notices += 1;
        }
        for (account, devices) in registry.devices.by_account().await? {
            accounts.entry(account).or_default().devices = devices;
        }
        for (account, webhooks) in registry.webhooks.by_account().await? {
            accounts.entry(account).or_default().webhooks = webhooks;
        }
        for (account, browsers) in registry.web.browsers_by_account().await? {
            accounts.entry(account).or_default().browsers = browsers;
        }
        Ok(accounts)
    }
}

/// All that is held of an account, without what is secret.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountData {
    /// The account.
    pub account: Did,
    /// What is held.
    #[serde(flatten)]
    pub held: Held,
}

/// All that is held of an account.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountsExport {
    /// Whose.
    pub account: Did,
}

impl Operation for AccountsExport {
    const NAME: &'static str = "accounts.export";
    type Subject = OciState;
    type Output = AccountData;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<AccountData, AdminError> {
        let account = self.account;
        let held = registry.web.held(&account).await?;
        Ok(AccountData { account, held })
    }
}

/// What was deleted of an account.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletedAccount {
    /// What there was.
    #[serde(flatten)]
    pub data: AccountData,
    /// Of each session that goes on at the account's PDS, where nobody uses it any more, why.
    pub left_sessions: Vec<String>,
}

/// Deletes all that is held of an account, and what is known of it for searches; its sessions at its PDS end. Holds are told
/// first what they are still to be told of it. Answers what there was.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountsDelete {
    /// Whose.
    pub account: Did,
    /// Whether it goes on when a hold does not take what it is told: it never will be then.
    #[serde(default)]
    pub drop_notices: bool,
}

impl Operation for AccountsDelete {
    const NAME: &'static str = "accounts.delete";
    type Subject = OciState;
    type Output = DeletedAccount;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<DeletedAccount, AdminError> {
        let account = self.account;
        let told = registry.images.tell_now(&account).await;
        let waiting = told.map_err(|error| AdminError::failed(error.to_string()))?;
        if !waiting.is_empty() && !self.drop_notices {
            return Err(AdminError::failed(untold(&account, &waiting)));
        }
        let forgotten = registry.web.forget(&account).await;
        let (held, ended) = forgotten.map_err(|error| AdminError::failed(error.to_string()))?;
        let left_sessions = ended.into_iter().filter_map(|session| session.left).collect();
        Ok(DeletedAccount { data: AccountData { account, held }, left_sessions })
    }
}

/// Says why an account is not deleted.
fn untold(account: &Did, waiting: &[WaitingNotice]) -> String {
    let images = server::text::with_noun(waiting.len() as u64, "image");
    let holds: BTreeSet<&str> = waiting.iter().map(|notice| notice.hold.did().as_str()).collect();
    let holds = holds.into_iter().collect::<Vec<_>>().join(", ");
    format!(
        "nothing of {account} was deleted: of {images} the hold does not know yet and does not take it now ({holds}), and may \
         remove their layers if it is never told; wait for it (`queue list`), or delete with --drop-notices"
    )
}
