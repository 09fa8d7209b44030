//! `index status`, `rebuild`, `forget`.

use clap::Subcommand;
use serde_json::json;

use super::target::Target;
use crate::operations::{IndexForget, IndexRebuild, IndexShow, IndexStatus};
use atproto::syntax::Did;
use server::console::{CommandError, NONE, duration, output, table};
use server::text::with_noun;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show how much can be searched for, and how far the network is followed.
    Status,
    /// Make what searches go by anew, where rows are lost or damaged: the words of texts at once, the rest in the background of
    /// the registry, which lists again what all known accounts have, and those who pushed here or whom the relay knows.
    ///
    /// What their repositories do not have any more leaves the index. It serves meanwhile.
    Rebuild,
    /// Forget what the index has of an account. It comes back with the next push, or with an event of the network.
    #[command(after_help = "Example: atcr-appview index forget did:plc:ewvi7nxzyoun6zhxrhs64oiz")]
    Forget {
        /// The account's DID.
        #[arg(value_name = "DID", value_parser = |text: &str| Did::parse(text))]
        account: Did,
    },
}

impl Command {
    pub(super) async fn run(self, target: Target, as_json: bool) -> Result<(), CommandError> {
        match self {
            Self::Status => {
                let status = target.run(IndexShow {}).await?;
                output::result(as_json, &status, || shown(&status))
            }
            Self::Rebuild => {
                let accounts = target.run(IndexRebuild {}).await?;
                output::result(as_json, &json!({ "accounts": accounts }), || {
                    format!("the records of {} are listed again\n", with_noun(accounts as u64, "account"))
                })
            }
            Self::Forget { account } => {
                let account = target.run(IndexForget { account }).await?;
                output::result(as_json, &json!({ "account": account }), || format!("{account} is forgotten\n"))
            }
        }
    }
}

fn shown(status: &IndexStatus) -> String {
    let IndexStatus { accounts, records, shown, to_list, sources, is_connected, events, heard_s } = status;
    let followed = match (sources.is_empty(), is_connected) {
        (true, _) => "nothing: the index has what passes through here".to_owned(),
        (false, true) => format!("{}, connected", sources.join(", ")),
        (false, false) => format!("{}, not connected", sources.join(", ")),
    };
    let rows = [
        ["accounts".to_owned(), accounts.to_string()],
        ["records".to_owned(), records.to_string()],
        ["repositories shown".to_owned(), shown.to_string()],
        ["accounts to list".to_owned(), to_list.to_string()],
        ["follows".to_owned(), followed],
        ["events".to_owned(), events.to_string()],
        ["last message".to_owned(), heard_s.map_or_else(|| NONE.to_owned(), |s| format!("{} ago", duration(s)))],
    ];
    table(["INDEX", ""], rows)
}
