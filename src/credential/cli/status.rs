//! `status`: lists accounts, and whether the registry still accepts their secrets.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::places::Places;
use super::store;
use crate::remote::{RemoteRegistry, Standing};
use crate::store::{Account, KeyringError, Place, Store, StoreError};
use server::console::{CommandError, output, table};

const KEYRING_PATIENCE: Duration = Duration::from_secs(5);

/// Arguments of `status`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Do not ask the registries.
    #[arg(long)]
    offline: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

struct Row {
    account: Account,
    by_docker: bool,
    standing: Option<Standing>,
}

impl Arguments {
    pub(super) async fn run(self, places: &Places) -> Result<(), CommandError> {
        let store = store(places)?;
        let accounts = store.accounts().map_err(|error| CommandError::failed(error.to_string()))?;
        let docker = places.docker().ok();
        let mut rows = Vec::new();
        for account in accounts {
            let by_docker = account.is_current && docker.as_ref().is_some_and(|file| file.is_ours(&account.registry));
            let standing = if self.offline { None } else { Some(ask(&store, &account).await) };
            rows.push(Row { account, by_docker, standing });
        }
        if self.json {
            output::json(&rows.iter().map(document).collect::<Vec<_>>())?;
        } else if rows.is_empty() {
            output::text("nobody is signed in: docker-credential-atcr login REGISTRY\n")?;
        } else {
            output::text(&table(["REGISTRY", "ACCOUNT", "DOCKER", "SECRET IN", "STATE"], rows.iter().map(cells)))?;
        }
        let ended = rows.iter().filter(|row| matches!(row.standing, Some(Standing::SignInAgain(_)))).count();
        if ended == 0 {
            Ok(())
        } else {
            Err(CommandError::failed("sign in again: docker-credential-atcr login REGISTRY"))
        }
    }
}

async fn ask(store: &Store, account: &Account) -> Standing {
    let credential = match store.credential_of(account, KEYRING_PATIENCE) {
        Ok(credential) => credential,
        Err(StoreError::Keyring { error: KeyringError::Empty, .. }) => {
            return Standing::SignInAgain("the system's keyring has the secret no more".into());
        }
        Err(error) => return Standing::Unknown(error.to_string()),
    };
    match RemoteRegistry::new(&account.registry) {
        Ok(remote) => remote.standing(&account.user, credential.secret.reveal()).await,
        Err(error) => Standing::Unknown(error.to_string()),
    }
}

fn place(account: &Account) -> &'static str {
    match account.place {
        Place::Keyring => "keyring",
        Place::File => "file",
    }
}

fn cells(row: &Row) -> [String; 5] {
    let docker = match (row.account.is_current, row.by_docker) {
        (true, true) => "asks for it",
        (true, false) => "not configured",
        (false, _) => "another account",
    };
    let state = match &row.standing {
        None => "not asked".to_owned(),
        Some(Standing::Good) => "good".to_owned(),
        Some(Standing::SignInAgain(why)) => format!("sign in again: {why}"),
        Some(Standing::Unknown(why)) => format!("unknown: {why}"),
    };
    let account = &row.account;
    [account.registry.to_string(), account.user.clone(), docker.to_owned(), place(account).to_owned(), state]
}

fn document(row: &Row) -> serde_json::Value {
    let (state, why) = match &row.standing {
        None => ("not_asked", None),
        Some(Standing::Good) => ("good", None),
        Some(Standing::SignInAgain(why)) => ("sign_in_again", Some(why)),
        Some(Standing::Unknown(why)) => ("unknown", Some(why)),
    };
    let Account { registry, user, is_current, is_device, .. } = &row.account;
    json!({
        "registry": registry.as_str(), "account": user, "isCurrent": is_current, "isDevice": is_device,
        "isConfigured": row.by_docker, "secretIn": place(&row.account), "state": state, "why": why,
    })
}
