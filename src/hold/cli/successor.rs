//! `successor export`, `import`: arguments and output.

use std::path::PathBuf;

use clap::Subcommand;

use super::target::Target;
use crate::images::TakenOver;
use crate::operations::{SuccessorExport, SuccessorImport, SuccessorImported};
use server::console::{CommandError, export_to, output, read_file};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Export crew with tiers, layers, statistics and configs, for a hold under another address that succeeds this one.
    #[command(after_help = "Example: atcr-hold successor export a.jsonl")]
    Export {
        /// The file; it is replaced once the export is complete. `-` is standard output.
        file: PathBuf,
    },
    /// Import the export of another hold. Records that exist here already are kept, so that an import can be repeated
    /// at any time.
    ///
    /// Import before the blobs are copied: then garbage collection knows that they are needed.
    #[command(after_help = "Example: atcr-hold successor import a.jsonl")]
    Import {
        /// The file.
        file: PathBuf,
    },
}

impl Command {
    pub(super) async fn run(self, target: Target, json: bool) -> Result<(), CommandError> {
        match self {
            Self::Export { file } => export_to(target, SuccessorExport {}, &file, json).await,
            Self::Import { file } => {
                let imported = target.import(SuccessorImport {}, read_file(&file).await?).await?;
                output::result(json, &imported, || shown(&imported))
            }
        }
    }
}

fn shown(imported: &SuccessorImported) -> String {
    let SuccessorImported { from, taken } = imported;
    let TakenOver { members, manifests, layers, stats, kept, left_out } = taken;
    let mut text = format!(
        "Taken over from {from}: {members} members, {manifests} manifests, {layers} layers, {stats} statistics; {kept} were \
         here already\n"
    );
    if *left_out > 0 {
        text += &format!("{left_out} members were left out: mutable_crew = false, so declare them in [crew]\n");
    }
    text
}
