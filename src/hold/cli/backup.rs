//! `backup`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::config::Config;
use crate::pds;
use crate::schema::SCHEMA;
use server::console::{CommandError, ProgressLine, output, size};
use server::control::Progress;
use server::key_file;
use server::sqlite::{BackupError, back_up, unfinished_backup};

const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Args)]
pub(super) struct Arguments {
    /// The new file. Its directory must exist; a file that exists is not written over.
    file: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// The result of a backup.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackedUp {
    file: String,
    size_bytes: u64,
    /// The revision of the repository in it; `null` before the hold's first start.
    rev: Option<String>,
}

impl Arguments {
    /// Runs in this process, also while a daemon has the hold: this user may write where the daemon's sandbox may not.
    pub(super) async fn run(self, config: &Config) -> Result<(), CommandError> {
        let failed = |error: String| CommandError::failed(error);
        let (database, target) = (config.database_path.clone(), self.file.clone());
        let mut copying = tokio::task::spawn_blocking(move || back_up(&database, &SCHEMA, &target, pds::stored_head));
        let total = std::fs::metadata(&config.database_path).ok().map(|metadata| metadata.len());
        let mut line = ProgressLine::new();
        let head = loop {
            tokio::select! {
                copied = &mut copying => break copied.map_err(|error| failed(error.to_string()))?,
                () = tokio::time::sleep(LOOK_EVERY) => {
                    let done = size_of(&unfinished_backup(&self.file)).unwrap_or_default();
                    line.show(&Progress { done, total, unit: "bytes".into() });
                }
            }
        };
        drop(line);
        let head = head.map_err(|error| match error {
            BackupError::NoDatabase(_) => failed(format!("{error}: start the hold once, or set HOLD_DATABASE_PATH")),
            error => failed(error.to_string()),
        })?;
        let rev = head.map(|head| head.rev.to_string());
        let size_bytes = size_of(&self.file).unwrap_or_default();
        let done = BackedUp { file: self.file.display().to_string(), size_bytes, rev };
        if self.json { output::json(&done) } else { output::text(&shown(&done, config)) }
    }
}

fn size_of(file: &Path) -> Option<u64> {
    std::fs::metadata(file).ok().map(|metadata| metadata.len())
}

fn shown(done: &BackedUp, config: &Config) -> String {
    let rev = done.rev.as_ref().map_or_else(|| "without a repository".into(), |rev| format!("revision {rev}"));
    let key = match &config.signing_key {
        Some(_) => "the key that HOLD_SIGNING_KEY gives".into(),
        None => config.key_dir.join(key_file::FILE_NAME).display().to_string(),
    };
    format!(
        "{} written to {}, {rev}\nThe signing key is not in it: keep a copy of {key}.\nCopy the blobs after it, not \
         before: {}.\n",
        size(done.size_bytes),
        done.file,
        config.storage
    )
}
