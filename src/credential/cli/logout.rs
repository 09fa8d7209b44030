//! `logout`: revokes the secret of a device at the registry, and deletes it here.

use std::time::Duration;

use clap::Args;

use super::places::Places;
use super::{PROGRAM, only, store};
use crate::remote::RemoteRegistry;
use crate::store::{Account, Store};
use server::console::{CommandError, output, warn};

const KEYRING_PATIENCE: Duration = Duration::from_secs(30);

/// Arguments of `logout`.
#[derive(Args)]
pub(super) struct Arguments {
    /// The registry; without it, the only one with an account.
    registry: Option<String>,
    /// The account; without it, all of the registry.
    account: Option<String>,
    /// All accounts of all registries.
    #[arg(long, conflicts_with = "registry")]
    all: bool,
}

impl Arguments {
    pub(super) async fn run(self, places: &Places) -> Result<(), CommandError> {
        let store = store(places)?;
        let mut accounts = store.accounts().map_err(|error| CommandError::failed(error.to_string()))?;
        if !self.all {
            let registry = only(self.registry.as_deref(), &store)?;
            accounts.retain(|account| account.registry.as_str() == registry.as_str());
            if let Some(user) = &self.account {
                accounts.retain(|account| account.user == *user);
            }
            if accounts.is_empty() {
                let whom = self.account.as_deref().unwrap_or("nobody");
                let is = if self.account.is_some() { "is not signed in" } else { "is signed in" };
                return Err(CommandError::failed(format!("{whom} {is} at {registry}")));
            }
        }
        for account in &accounts {
            sign_out(&store, account).await?;
        }
        Ok(())
    }
}

async fn sign_out(store: &Store, account: &Account) -> Result<(), CommandError> {
    let Account { registry, user, .. } = account;
    let given_back = give_back(store, account).await;
    let erased = store.erase(registry, Some(user), KEYRING_PATIENCE);
    erased.map_err(|error| CommandError::failed(error.to_string()))?;
    if let Err(reason) = given_back {
        let page = registry.origin().map(|origin| format!("{origin}/auth/device")).unwrap_or_default();
        warn(PROGRAM, &[format!("the secret could not be given back ({reason}): take this machine back at {page}")]);
    }
    output::text(&format!("{user} is signed out at {registry}\n"))
}

/// Revokes the device secret at the registry; a password cannot be revoked there.
async fn give_back(store: &Store, account: &Account) -> Result<(), String> {
    if !account.is_device {
        return Ok(());
    }
    let credential = store.credential_of(account, KEYRING_PATIENCE).map_err(|error| error.to_string())?;
    let remote = RemoteRegistry::new(&account.registry).map_err(|error| error.to_string())?;
    remote.end(credential.secret.reveal()).await.map_err(|error| error.to_string())
}
