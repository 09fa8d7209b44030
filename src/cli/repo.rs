//! `repo export`, `import`, `verify`.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use clap::Subcommand;
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use tokio::io::AsyncReadExt as _;

use super::error::CommandError;
use super::progress::ProgressLine;
use super::reach::Reach;
use super::{output, table};
use crate::admin::{
    AdminError, ByteStream, Found, Progress, RepoExport, RepoImport, RepoImported, RepoVerified, RepoVerify,
};

/// Read from a file at once.
const PIECE_BYTES: usize = 256 * 1024;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write the whole signed repository into a CAR file, one snapshot; writes go on meanwhile.
    #[command(after_help = "Example: atcr-hold repo export /backup/hold.car")]
    Export {
        /// The file; it is replaced once the export is whole. `-` is standard output.
        file: PathBuf,
    },
    /// Take over the repository in a CAR file. The hold must be new, with no records but those of its configuration.
    ///
    /// The file is checked whole before anything changes. Then a new commit of this hold stands above its records, the
    /// network is told to read them anew, and captain, crew and profile follow the configuration again.
    #[command(after_help = "Example: atcr-hold repo import /backup/hold.car")]
    Import {
        /// The file.
        file: PathBuf,
        /// The key that signed the file, if this hold has another one now. Name it only for a file you trust.
        #[arg(long, value_name = "DID:KEY")]
        signed_by: Option<String>,
    },
    /// Check the signature, the tree, every record and every block; exit 1 when anything is wrong.
    #[command(after_help = "Example: atcr-hold repo verify --json | jq .findings")]
    Verify,
}

/// What an export came to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported {
    file: String,
    size_bytes: u64,
}

impl Command {
    pub(super) async fn run(self, reach: Reach, json: bool) -> Result<(), CommandError> {
        match self {
            Self::Export { file } => export(reach, &file, json).await,
            Self::Import { file, signed_by } => {
                let imported = reach.import(RepoImport { signed_by }, from_file(&file).await?).await?;
                if json { output::json(&imported) } else { output::text(&shown_import(&imported)) }
            }
            Self::Verify => {
                let began = Instant::now();
                let verified = reach.run(RepoVerify {}).await?;
                if json {
                    output::json(&verified)?;
                } else {
                    output::text(&shown_check(&verified, began.elapsed()))?;
                }
                match verified.found {
                    0 => Ok(()),
                    1 => Err(CommandError::failed("the repository is damaged: one finding")),
                    found => Err(CommandError::failed(format!("the repository is damaged: {found} findings"))),
                }
            }
        }
    }
}

async fn export(reach: Reach, file: &Path, json: bool) -> Result<(), CommandError> {
    let bytes = reach.export(RepoExport {}).await?;
    if file == Path::new("-") {
        return copy(bytes, &mut io::stdout()).await.map(drop);
    }
    let size_bytes = to_file(bytes, file).await?;
    let exported = Exported { file: file.display().to_string(), size_bytes };
    if json {
        return output::json(&exported);
    }
    output::text(&format!("{} written to {}\n", table::size(size_bytes), exported.file))
}

fn shown_import(imported: &RepoImported) -> String {
    let RepoImported { records, blocks, imported_rev, rev, commit, reconciled } = imported;
    format!(
        "{records} records in {blocks} blocks imported, of revision {imported_rev}\n\
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
    text.push_str(&format!(
        "{records} records, {nodes} nodes, {blocks} blocks checked in {:.1} s: {found} wrong\n",
        took.as_secs_f64()
    ));
    text
}

/// The file in pieces, opened here: the hold need not see its path.
pub(super) async fn from_file(path: &Path) -> Result<ByteStream, CommandError> {
    let failed = |error: io::Error| CommandError::failed(format!("{} cannot be read: {error}", path.display()));
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    if file.metadata().await.map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    Ok(Box::pin(stream::unfold(file, |mut file| async move {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        match file.read_buf(&mut piece).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(piece.freeze()), file)),
            Err(error) => Some((Err(error), file)),
        }
    })))
}

/// The file appears whole or not at all, readable by its owner, and lasts once this returns.
pub(super) async fn to_file(bytes: ByteStream, file: &Path) -> Result<u64, CommandError> {
    let unfinished = file.with_added_extension("part");
    let failed = |error: io::Error| CommandError::failed(format!("{} cannot be written: {error}", file.display()));
    let mut out =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished).map_err(failed)?;
    let written = copy(bytes, &mut out).await.and_then(|size_bytes| {
        out.sync_all().and_then(|()| std::fs::rename(&unfinished, file)).map_err(failed)?;
        Ok(size_bytes)
    });
    if written.is_err() {
        // What failed is said already.
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}

pub(super) async fn copy(mut bytes: ByteStream, out: &mut impl io::Write) -> Result<u64, CommandError> {
    let mut line = ProgressLine::new();
    let mut done = 0;
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(|_| AdminError::Interrupted)?;
        out.write_all(&piece).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => CommandError::Unread,
            _ => CommandError::failed(format!("the export cannot be written: {error}")),
        })?;
        done += piece.len() as u64;
        line.show(&Progress { done, total: None, unit: "bytes".into() });
    }
    out.flush().map_err(|error| CommandError::of_output(&error))?;
    Ok(done)
}
