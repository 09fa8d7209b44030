//! Exports to files and imports from them. This process opens the files: the daemon needs no access to their paths.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use bytes::BytesMut;
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use tokio::io::AsyncReadExt as _;

use super::{CommandError, ProgressLine, Target, output, size};
use crate::control::{AdminError, ByteStream, Export, Progress};
use crate::storage::PartialFile;

/// Bytes read from a file at once.
const PIECE_BYTES: usize = 256 * 1024;

/// The result of an export.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported {
    file: String,
    size_bytes: u64,
}

/// Writes the bytes of an export to a file, or to standard output for `-`, and prints path and size.
///
/// # Errors
/// The error of the operation; [`CommandError::Failed`] when the file cannot be written.
pub async fn export_to<E: Export>(
    target: Target<E::Subject>,
    operation: E,
    file: &Path,
    as_json: bool,
) -> Result<(), CommandError> {
    let bytes = target.export(operation).await?;
    if file == Path::new("-") {
        return copy(bytes, &mut io::stdout()).await.map(drop);
    }
    let size_bytes = to_file(bytes, file).await?;
    let exported = Exported { file: file.display().to_string(), size_bytes };
    output::result(as_json, &exported, || format!("{} written to {}\n", size(size_bytes), exported.file))
}

/// Opens a file, and returns its bytes as a stream.
///
/// # Errors
/// [`CommandError::Failed`] when it cannot be opened, or is a directory.
pub async fn read_file(path: &Path) -> Result<ByteStream, CommandError> {
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

/// Writes a file atomically, readable by its owner only, and synced to disk; a device or a pipe is written as it is, and
/// never replaced. Returns the number of bytes.
async fn to_file(bytes: ByteStream, file: &Path) -> Result<u64, CommandError> {
    let failed = |error: io::Error| CommandError::failed(format!("{} cannot be written: {error}", file.display()));
    if std::fs::metadata(file).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let mut out = OpenOptions::new().write(true).open(file).map_err(failed)?;
        return copy(bytes, &mut out).await;
    }
    let mut partial = PartialFile::create(file).map_err(failed)?;
    let size_bytes = copy(bytes, partial.file()).await?;
    partial.publish().map_err(failed)?;
    Ok(size_bytes)
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
