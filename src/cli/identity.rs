//! `identity show`.

use clap::{Args, Subcommand};

use super::error::CommandError;
use super::output;
use super::reach::Reach;
use super::table::NONE;
use crate::admin::{Identity, IdentityShow};

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
    /// Show DID, handle, addresses, signing key and where the repository stands.
    #[command(after_help = "Example: atcr-hold identity show --json | jq .document")]
    Show,
}

impl Arguments {
    pub(super) async fn run(self, reach: Reach) -> Result<(), CommandError> {
        let Command::Show = self.command;
        let identity = reach.run(IdentityShow {}).await?;
        if self.json { output::json(&identity) } else { output::text(&shown(&identity)) }
    }
}

fn shown(identity: &Identity) -> String {
    let head = |of: fn(&crate::admin::Head) -> String| identity.head.as_ref().map_or_else(|| NONE.into(), of);
    let mut lines = vec![
        ("DID", identity.did.to_string()),
        ("Handle", identity.handle.clone().unwrap_or_else(|| NONE.into())),
        ("Public URL", identity.public_url.clone()),
        ("Signing key", identity.signing_key.clone()),
        ("Key file", identity.key_file.clone()),
        ("Revision", head(|head| head.rev.to_string())),
        ("Commit", head(|head| head.commit.clone())),
    ];
    let services = identity.services.iter().map(|service| ("Service", format!("{} {}", service.id, service.endpoint)));
    lines.extend(services);
    lines.iter().map(|(name, value)| format!("{name:12} {value}\n")).collect()
}
