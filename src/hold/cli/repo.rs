//! `repo export`, `import`, `verify`: arguments and output.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Subcommand;

use super::target::Target;
use crate::operations::{Found, RepoExport, RepoImport, RepoImported, RepoVerified, RepoVerify};
use server::console::{CommandError, export_to, output, read_file};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write one snapshot of the whole signed repository to a CAR file. The hold runs meanwhile.
    #[command(after_help = "Example: atcr-hold repo export /backup/hold.car")]
    Export {
        /// The file; it is replaced once the export is complete. `-` is standard output.
        file: PathBuf,
    },
    /// Import the repository of a CAR file. The hold must be new, with no records but those of its configuration.
    ///
    /// The file is checked completely before anything changes. Then a new commit of this hold is made above its
    /// records, the network is told to read them again, and captain, crew and profile are reconciled with the
    /// configuration.
    #[command(after_help = "Example: atcr-hold repo import /backup/hold.car")]
    Import {
        /// The file.
        file: PathBuf,
        /// The key that signed the file, if this hold has another one now. Name it only for a file you trust.
        #[arg(long, value_name = "DID:KEY")]
        signed_by: Option<String>,
    },
    /// Check the signature, the tree, every record and every block. Exits 1 when anything is wrong.
    #[command(after_help = "Example: atcr-hold repo verify --json | jq .findings")]
    Verify,
}

impl Command {
    pub(super) async fn run(self, target: Target, json: bool) -> Result<(), CommandError> {
        match self {
            Self::Export { file } => export_to(target, RepoExport {}, &file, json).await,
            Self::Import { file, signed_by } => {
                let imported = target.import(RepoImport { signed_by }, read_file(&file).await?).await?;
                output::result(json, &imported, || shown_import(&imported))
            }
            Self::Verify => {
                let began = Instant::now();
                let verified = target.run(RepoVerify {}).await?;
                output::findings(json, &verified, || shown_check(&verified, began.elapsed()))?;
                match verified.found {
                    0 => Ok(()),
                    1 => Err(CommandError::failed("the repository is damaged: one finding")),
                    found => Err(CommandError::failed(format!("the repository is damaged: {found} findings"))),
                }
            }
        }
    }
}

fn shown_import(imported: &RepoImported) -> String {
    let RepoImported { records, blocks, left_out, imported_rev, rev, commit, reconciled } = imported;
    let earlier = match left_out {
        0 => String::new(),
        left_out => format!("; {left_out} blocks of earlier revisions are left out"),
    };
    let taken = blocks - left_out;
    format!(
        "{records} records in {taken} blocks imported, of revision {imported_rev}{earlier}\n\
         {reconciled} records changed, to follow the configuration\n\
         The commit above the import is {commit}, of revision {rev}\n"
    )
}

fn shown_check(verified: &RepoVerified, took: Duration) -> String {
    let mut text: String = verified
        .findings
        .iter()
        .map(|Found { kind, subject, reason }| format!("{kind} {subject}: {reason}\n"))
        .collect();
    let RepoVerified { records, nodes, blocks, unjudged, found, .. } = verified;
    if *found > verified.findings.len() as u64 {
        text.push_str("…\n");
    }
    if *unjudged > 0 {
        text.push_str(&format!("{unjudged} rows cannot be judged: a damaged node may lead to them\n"));
    }
    if let Some(seconds) = verified.rev_ahead_s {
        text.push_str(&format!(
            "warning: the newest revision is {seconds} s ahead of the hold's clock; relays refuse commits until the \
             clock has passed it\n"
        ));
    }
    text.push_str(&format!(
        "{records} records, {nodes} nodes, {blocks} blocks checked in {:.1} s: {found} wrong\n",
        took.as_secs_f64()
    ));
    text
}
