//! `accounts list`, `show`, `export`, `delete`.

use std::collections::BTreeMap;

use atproto::syntax::Did;
use clap::Subcommand;

use super::sessions::left_at_pds;
use super::target::Target;
use crate::operations::{AccountData, AccountsDelete, AccountsExport, AccountsList, DeletedAccount, HeldAccount};
use crate::web::Held;
use server::console::{CommandError, output, table};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List accounts that signed in, have uploads open, or of whose images holds are still to be told.
    List,
    /// Show how much is held of an account.
    Show {
        /// Its DID, as `accounts list` shows it.
        #[arg(value_name = "DID")]
        account: String,
    },
    /// Print all that is held of an account as JSON, without what is secret.
    ///
    /// Its images, stars and pages are not in it: they are records in its own repository.
    Export {
        /// Its DID, as `accounts list` shows it.
        #[arg(value_name = "DID")]
        account: String,
    },
    /// Delete all that is held of an account: sessions, which end at its PDS too, devices, browsers, open uploads, webhooks, and
    /// what searches find. Its own repository stays as it is.
    ///
    /// Holds that are still to be told of its images are told first; while one does not take it, nothing is deleted.
    #[command(after_help = "Example: atcr-appview accounts delete did:plc:ewvi7nxzyoun6zhxrhs64oiz")]
    Delete {
        /// Its DID, as `accounts list` shows it.
        #[arg(value_name = "DID")]
        account: String,
        /// Delete also what a hold does not take now: it is never told of these images then, and may remove their layers.
        #[arg(long)]
        drop_notices: bool,
    },
}

impl Command {
    pub(super) async fn run(self, target: Target, json: bool) -> Result<(), CommandError> {
        match self {
            Self::List => {
                let accounts = target.run(AccountsList {}).await?;
                output::result(json, &accounts, || shown(&accounts))
            }
            Self::Show { account } => {
                let held = target.run(AccountsExport { account: did(&account)? }).await?;
                output::result(json, &held, || format!("{}: {}\n", held.account, words(&held)))
            }
            Self::Export { account } => output::json(&target.run(AccountsExport { account: did(&account)? }).await?),
            Self::Delete { account, drop_notices } => {
                let deleted = target.run(AccountsDelete { account: did(&account)?, drop_notices }).await?;
                output::result(json, &deleted, || shown_deleted(&deleted))
            }
        }
    }
}

fn did(text: &str) -> Result<Did, CommandError> {
    Did::parse(text).map_err(|error| CommandError::Usage(error.to_string()))
}

fn shown(accounts: &BTreeMap<Did, HeldAccount>) -> String {
    let rows = accounts.iter().map(|(account, held)| {
        let numbers = [held.sessions, held.devices, held.browsers, held.uploads, held.notices, held.webhooks];
        let [sessions, devices, browsers, uploads, notices, webhooks] = numbers.map(|number| number.to_string());
        [account.to_string(), sessions, devices, browsers, uploads, notices, webhooks]
    });
    table(["ACCOUNT", "SESSIONS", "DEVICES", "BROWSERS", "UPLOADS", "QUEUE", "WEBHOOKS"], rows)
}

fn shown_deleted(deleted: &DeletedAccount) -> String {
    let DeletedAccount { data, left_sessions } = deleted;
    let mut lines = vec![format!("{} is deleted here: {}", data.account, words(data))];
    let untold = data.held.notices.len() as u64;
    if untold > 0 {
        let images = server::text::with_noun(untold, "image");
        lines.push(format!("of {images} the hold was not told, and may remove their layers: push again"));
    }
    lines.extend(left_sessions.iter().map(|why| format!("of a session: {}", left_at_pds(why))));
    format!("{}\n", lines.join("\n"))
}

fn words(held: &AccountData) -> String {
    let Held { sessions, devices, browsers, uploads, notices, webhooks, repositories, referrers, index, .. } =
        &held.held;
    let indexed = index.as_ref().map_or(0, |index| index.tags.len() + index.manifests.len() + index.stars.len());
    let numbers = [
        (sessions.len(), "session"),
        (devices.len(), "device"),
        (browsers.len(), "browser"),
        (uploads.len(), "open upload"),
        (notices.len(), "notice"),
        (webhooks.len(), "webhook"),
        (repositories.len(), "repository name"),
        (referrers.len(), "referrer"),
        (indexed, "index record"),
    ];
    let words = numbers.map(|(number, noun)| server::text::with_noun(number as u64, noun));
    words.join(", ")
}
