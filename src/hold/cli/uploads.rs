//! `uploads list`, `abort`: arguments and output.

use clap::Subcommand;

use super::target::Target;
use crate::operations::{Upload, UploadsAbort, UploadsList};
use server::console::{CommandError, duration, output, size, table};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List open uploads, the longest idle first. IDLE is the time since the last part.
    #[command(after_help = "Example: atcr-hold uploads list --json | jq '[.[].sizeBytes] | add'")]
    List,
    /// Abort an upload, and remove its parts.
    #[command(after_help = "Example: atcr-hold uploads abort 5f0c2a9be1d34c7f8a6b0e1d2c3f4a5b")]
    Abort {
        /// The id that `uploads list` shows.
        #[arg(value_name = "ID")]
        id: String,
    },
}

impl Command {
    pub(super) async fn run(self, target: Target, json: bool) -> Result<(), CommandError> {
        match self {
            Self::List => {
                let uploads = target.run(UploadsList {}).await?;
                output::result(json, &uploads, || shown(&uploads))
            }
            Self::Abort { id } => {
                let aborted = target.run(UploadsAbort { id }).await?;
                output::result(json, &aborted, || format!("upload {} of {} is given up\n", aborted.id, aborted.account))
            }
        }
    }
}

fn shown(uploads: &[Upload]) -> String {
    let rows = uploads.iter().map(|upload| {
        let Upload { id, account, idle_s, parts, size_bytes, .. } = upload;
        [id.clone(), account.to_string(), duration(*idle_s), parts.to_string(), size(*size_bytes)]
    });
    table(["ID", "ACCOUNT", "IDLE", "PARTS", "SIZE"], rows)
}
