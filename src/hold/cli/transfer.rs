//! Exports into files and imports from them: the hold need not see their paths.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use bytes::BytesMut;
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use tokio::io::AsyncReadExt as _;

use super::error::CommandError;
use super::progress::ProgressLine;
use super::target::Target;
use super::{output, table};
use crate::hold::Hold;
use server::control::{AdminError, ByteStream, Export, Progress};

/// Read from a file at once.
const PIECE_BYTES: usize = 256 * 1024;

/// What an export came to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported {
    file: String,
    size_bytes: u64,
}

/// Writes what `operation` exports into a file, or to standard output for `-`, and says what was written.
pub(super) async fn export(
    target: Target,
    operation: impl Export<Subject = Hold>,
    file: &Path,
    json: bool,
) -> Result<(), CommandError> {
    let bytes = target.export(operation).await?;
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
