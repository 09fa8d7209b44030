//! Accounts, and the data that this registry stores of one: data that is not in the account's own repository and that
//! no other server has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::images::WaitingNotice;
use crate::oci::OciState;
use crate::web::{Forgotten, Held};
use atproto::syntax::Did;
use server::control::{AdminError, Operation, Reporter};

/// What this registry stores of an account, in numbers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct HeldAccount {
    /// Sessions at the account's PDS.
    pub sessions: u64,
    /// Devices that act for the account.
    pub devices: u64,
    /// Browsers in which the account is signed in.
    pub browsers: u64,
    /// Open uploads.
    pub uploads: u64,
    /// Notices of manifests that holds have not taken yet.
    pub notices: u64,
    /// Webhooks of the account's repositories.
    #[serde(default)]
    pub webhooks: u64,
}

/// Lists the accounts with sessions, devices, browsers, webhooks, open uploads or waiting notices, by their DIDs.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountsList {}

impl Operation for AccountsList {
    const NAME: &'static str = "accounts.list";
    type Subject = OciState;
    type Output = BTreeMap<Did, HeldAccount>;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<Self::Output, AdminError> {
        let mut accounts = Self::Output::new();
        for session in registry.sessions.list().await? {
            accounts.entry(session.account).or_default().sessions += 1;
        }
        for (account, uploads) in registry.uploads.by_account().await? {
            accounts.entry(account).or_default().uploads = uploads;
        }
        for (account, notices) in registry.images.waiting_by_account().await? {
            accounts.entry(account).or_default().notices = notices;
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

/// All data that is stored of an account, without secrets.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountData {
    /// The account.
    pub account: Did,
    /// The data.
    #[serde(flatten)]
    pub held: Held,
}

/// Exports all data that is stored of an account.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountsExport {
    /// The account.
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

/// The result of deleting an account's data.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletedAccount {
    /// The deleted data.
    #[serde(flatten)]
    pub data: AccountData,
    /// Reasons why sessions could not be ended at the account's PDS, one for each. Nobody uses these sessions any more.
    pub left_sessions: Vec<String>,
}

/// Deletes all data that is stored of an account, also in the search index, and ends its sessions at its PDS. Waiting
/// notices are first sent to their holds. Returns the deleted data.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountsDelete {
    /// The account.
    pub account: Did,
    /// Whether to continue when a hold does not take a notice, which is then never delivered.
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
        let Forgotten { held, ended } = forgotten.map_err(|error| AdminError::failed(error.to_string()))?;
        let left_sessions = ended.into_iter().filter_map(|session| session.left).collect();
        Ok(DeletedAccount { data: AccountData { account, held }, left_sessions })
    }
}

/// Returns the message for an account that is not deleted because of waiting notices.
fn untold(account: &Did, waiting: &[WaitingNotice]) -> String {
    let images = server::text::with_noun(waiting.len() as u64, "image");
    let holds: BTreeSet<&str> = waiting.iter().map(|notice| notice.hold.did().as_str()).collect();
    let holds = holds.into_iter().collect::<Vec<_>>().join(", ");
    format!(
        "nothing of {account} was deleted: of {images} the hold does not know yet and does not take it now ({holds}), and may \
         remove their layers if it is never told; wait for it (`queue list`), or delete with --drop-notices"
    )
}
