//! `backup`: a copy of the database, made in this process also while a daemon has it: this user may write where the
//! daemon's sandbox may not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::{CommandError, ProgressLine};
use crate::control::Progress;
use crate::sqlite::{BackupError, Read, Schema, back_up, unfinished_backup};
use crate::storage::StorageError;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Where the copy goes, and how the result is printed.
#[derive(Args)]
pub struct BackupArguments {
    /// The new file. Its directory must exist; a file that exists is not written over.
    pub file: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

impl BackupArguments {
    /// Copies the database at `path`, showing the progress. Returns what `inspect` reads in it, and the size of the copy in
    /// bytes. `remedy` says what to do where there is no database.
    ///
    /// # Errors
    /// [`CommandError::Failed`] when there is no copy.
    pub async fn run<T: Send + 'static>(
        &self,
        path: &Path,
        schema: &'static Schema,
        remedy: &str,
        inspect: impl FnOnce(&Read<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<(T, u64), CommandError> {
        let failed = |error: String| CommandError::failed(error);
        let (database, target) = (path.to_owned(), self.file.clone());
        let mut copying = tokio::task::spawn_blocking(move || back_up(&database, schema, &target, inspect));
        let total = std::fs::metadata(path).ok().map(|metadata| metadata.len());
        let mut line = ProgressLine::new();
        let copied = loop {
            tokio::select! {
                copied = &mut copying => break copied.map_err(|error| failed(error.to_string()))?,
                () = tokio::time::sleep(LOOK_EVERY) => {
                    let done = size_of(&unfinished_backup(&self.file)).unwrap_or_default();
                    line.show(&Progress { done, total, unit: "bytes".into() });
                }
            }
        };
        drop(line);
        let found = copied.map_err(|error| match error {
            BackupError::NoDatabase(_) => failed(format!("{error}: {remedy}")),
            error => failed(error.to_string()),
        })?;
        Ok((found, size_of(&self.file).unwrap_or_default()))
    }
}

fn size_of(file: &Path) -> Option<u64> {
    std::fs::metadata(file).ok().map(|metadata| metadata.len())
}
