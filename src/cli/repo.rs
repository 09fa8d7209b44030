//! `repo export`.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use futures_util::StreamExt as _;
use serde::Serialize;

use super::error::CommandError;
use super::progress::ProgressLine;
use super::reach::Reach;
use super::{output, table};
use crate::admin::{AdminError, ByteStream, Progress, RepoExport};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print one JSON document.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Write the whole signed repository into a CAR file, one snapshot; writes go on meanwhile.
    #[command(after_help = "Example: atcr-hold repo export /backup/hold.car")]
    Export {
        /// The file; it is replaced once the export is whole. `-` is standard output.
        file: PathBuf,
    },
}

/// What an export came to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported {
    file: String,
    size_bytes: u64,
}

impl Arguments {
    pub(super) async fn run(self, reach: Reach) -> Result<(), CommandError> {
        match self.command {
            Command::Export { file } => {
                let bytes = reach.export(RepoExport {}).await?;
                if file == Path::new("-") {
                    return copy(bytes, &mut io::stdout()).await.map(drop);
                }
                let size_bytes = to_file(bytes, &file).await?;
                let exported = Exported { file: file.display().to_string(), size_bytes };
                if self.json {
                    return output::json(&exported);
                }
                output::text(&format!("{} written to {}\n", table::size(size_bytes), exported.file))
            }
        }
    }
}

/// The file appears whole or not at all, readable by its owner, and lasts once this returns.
async fn to_file(bytes: ByteStream, file: &Path) -> Result<u64, CommandError> {
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

async fn copy(mut bytes: ByteStream, out: &mut impl io::Write) -> Result<u64, CommandError> {
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
