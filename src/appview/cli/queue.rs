//! `queue list`, `retry`, `drop`.

use clap::Subcommand;
use serde_json::json;

use super::target::Target;
use crate::operations::{Notice, QueueDrop, QueueList, QueueRetry};
use server::console::{CommandError, NONE, duration, listed_number, output, table};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List manifests that their hold was not told of yet, the one that waits longest first, and why.
    ///
    /// A hold that does not know of a manifest may remove its blobs once its grace is over.
    List,
    /// Try all of them now.
    Retry,
    /// Forget one: its hold may then remove the blobs of the manifest, unless that is pushed again.
    #[command(after_help = "Example: atcr-appview queue drop 7")]
    Drop {
        /// The number that `queue list` shows.
        #[arg(value_name = "ID", value_parser = listed_number("queue list"))]
        id: i64,
    },
}

impl Command {
    pub(super) async fn run(self, target: Target, as_json: bool) -> Result<(), CommandError> {
        match self {
            Self::List => {
                let notices = target.run(QueueList {}).await?;
                output::result(as_json, &notices, || shown(&notices))
            }
            Self::Retry => {
                let retried = target.run(QueueRetry {}).await?;
                output::result(as_json, &retried, || {
                    format!("{} delivered, {} still waiting\n", retried.delivered, retried.waiting)
                })
            }
            Self::Drop { id } => {
                let id = target.run(QueueDrop { id }).await?;
                output::result(as_json, &json!({ "id": id }), || format!("notice {id} is dropped\n"))
            }
        }
    }
}

fn shown(notices: &[Notice]) -> String {
    let rows = notices.iter().map(|notice| {
        let Notice { id, account, repository, manifest, hold, attempts, waiting_s, due_in_s, problem, .. } = notice;
        [
            id.to_string(),
            format!("{account}/{repository}"),
            manifest.get(..19).unwrap_or(manifest).to_owned(),
            hold.to_string(),
            attempts.to_string(),
            duration(*waiting_s),
            duration(*due_in_s),
            problem.clone().unwrap_or_else(|| NONE.to_owned()),
        ]
    });
    table(["ID", "REPOSITORY", "MANIFEST", "HOLD", "TRIES", "WAITS", "NEXT", "WHY"], rows)
}
