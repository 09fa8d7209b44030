//! `identity show`, `new-key`: arguments and output.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::target;
use crate::app::{self, NewKey, StorageUse};
use crate::config::Config;
use crate::operations::{Identity, IdentityShow};
use atproto::syntax::Did;
use server::console::{CommandError, NONE, output};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print one JSON document, the DID document in it.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Show DID, handle, addresses, signing key, and the newest revision and commit of the repository.
    #[command(after_help = "Example: atcr-hold identity show --json | jq .document")]
    Show,
    /// Sign the repository with another key, when the old one is lost or compromised. The hold must be stopped.
    ///
    /// Configure the new key, or move the old key's file aside: a new one is generated in its place. The records stay.
    /// The DID document has the new key from the next start on (of a did:plc, by an operation of yours: `identity show`),
    /// and the network is told to read both again. Back the new key up.
    #[command(after_help = "Example: atcr-hold identity new-key --yes-the-old-key-is-lost")]
    NewKey {
        /// Generate a key where none is found, or take the one in the key file. Without it, only a key of the
        /// configuration is taken: the service may have a key that is not seen here.
        #[arg(long)]
        yes_the_old_key_is_lost: bool,
    },
}

/// The result of a replacement of the key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Renewed {
    signing_key: String,
    key_file: Option<String>,
    rev: String,
    commit: String,
}

impl Arguments {
    pub(super) async fn run(self, config: &Config, purpose: StorageUse) -> Result<(), CommandError> {
        match self.command {
            Command::Show => {
                let identity = target::find(config, purpose).await?.run(IdentityShow {}).await?;
                output::result(self.json, &identity, || shown(&identity))
            }
            Command::NewKey { yes_the_old_key_is_lost } => {
                let NewKey { key, file, head } = app::new_key(config, yes_the_old_key_is_lost).await?;
                let renewed = Renewed {
                    signing_key: key.to_did_key(),
                    key_file: file.map(|file| file.display().to_string()),
                    rev: head.rev.to_string(),
                    commit: head.commit.to_string(),
                };
                output::result(self.json, &renewed, || shown_renewed(&renewed, &head.did))
            }
        }
    }
}

fn shown(identity: &Identity) -> String {
    let head =
        |of: fn(&crate::operations::HeadSummary) -> String| identity.head.as_ref().map_or_else(|| NONE.into(), of);
    let mut lines = vec![
        ("DID", identity.did.to_string()),
        ("Handle", identity.handle.clone().unwrap_or_else(|| NONE.into())),
        ("Public URL", identity.public_url.clone()),
        ("Signing key", identity.signing_key.clone()),
        ("Key file", identity.key_file.clone().unwrap_or_else(|| NONE.into())),
        ("Revision", head(|head| head.rev.to_string())),
        ("Commit", head(|head| head.commit.clone())),
    ];
    let services = identity.services.iter().map(|service| ("Service", format!("{} {}", service.id, service.endpoint)));
    lines.extend(services);
    lines.iter().map(|(name, value)| format!("{name:12} {value}\n")).collect()
}

fn shown_renewed(renewed: &Renewed, did: &Did) -> String {
    let Renewed { signing_key, key_file, rev, .. } = renewed;
    let place =
        key_file.as_ref().map_or_else(String::new, |file| format!("It lies in {file}: keep a copy of it elsewhere.\n"));
    let document = if did.is_plc() {
        "The document of a did:plc is not the hold's: have an operation of the directory name this key, too (`identity \
         show --json` has it under `plc`).\n"
    } else {
        ""
    };
    format!(
        "The repository is signed with {signing_key} from revision {rev} on.\n{place}Now start the hold.\n{document}"
    )
}

#[cfg(test)]
mod tests {
    use super::{Renewed, shown_renewed};
    use atproto::syntax::Did;

    #[test]
    fn of_a_did_plc_it_is_said_who_names_the_new_key() {
        let text = || "x".to_owned();
        let renewed = Renewed { signing_key: text(), key_file: None, rev: text(), commit: text() };
        for (did, is_said) in [("did:plc:z72i7hdynmk6r22z27h6tvur", true), ("did:web:hold.example.org", false)] {
            let shown = shown_renewed(&renewed, &Did::parse(did).unwrap());
            assert_eq!(shown.contains("an operation of the directory"), is_said, "{shown}");
        }
    }
}
