//! `webhooks list`, `disable`.

use clap::Subcommand;
use serde_json::json;

use super::target::Target;
use crate::operations::{ShownWebhook, WebhooksDisable, WebhooksList};
use server::console::{CommandError, NONE, duration, listed_number, output, table};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List webhooks of all accounts: whose, to which host, and what waits.
    List,
    /// Switch one off: what waits is not delivered. Its owner sees why, and may switch it on again.
    #[command(after_help = "Example: atcr-appview webhooks disable 7")]
    Disable {
        /// The number that `webhooks list` shows.
        #[arg(value_name = "ID", value_parser = listed_number("webhooks list"))]
        id: i64,
    },
}

impl Command {
    pub(super) async fn run(self, target: Target, as_json: bool) -> Result<(), CommandError> {
        match self {
            Self::List => {
                let webhooks = target.run(WebhooksList {}).await?;
                output::result(as_json, &webhooks, || shown(&webhooks))
            }
            Self::Disable { id } => {
                let id = target.run(WebhooksDisable { id }).await?;
                output::result(as_json, &json!({ "id": id }), || format!("webhook {id} is disabled\n"))
            }
        }
    }
}

fn shown(webhooks: &[ShownWebhook]) -> String {
    let rows = webhooks.iter().map(|webhook| {
        let ShownWebhook { id, account, repository, host, is_on, problem, failing_s, waiting, .. } = webhook;
        [
            id.to_string(),
            format!("{account}/{repository}"),
            host.clone(),
            if *is_on { "on" } else { "off" }.to_owned(),
            waiting.to_string(),
            failing_s.map_or_else(|| NONE.to_owned(), duration),
            problem.clone().unwrap_or_else(|| NONE.to_owned()),
        ]
    });
    table(["ID", "REPOSITORY", "HOST", "STATE", "WAITING", "FAILS FOR", "WHY"], rows)
}
