//! `backup`: prints the result of a backup.

use serde::Serialize;

use crate::config::Config;
use crate::pds;
use crate::schema::SCHEMA;
use server::console::{BackupArguments, CommandError, Copied, output, size};
use server::key_file;

/// The result of a backup.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackedUp {
    file: String,
    size_bytes: u64,
    /// The revision of the repository in the copy; `null` before the hold's first start.
    rev: Option<String>,
}

pub(super) async fn run(arguments: BackupArguments, config: &Config) -> Result<(), CommandError> {
    let remedy = "start the hold once, or set HOLD_DATABASE_PATH";
    let copied = arguments.run(&config.database_path, &SCHEMA, remedy, pds::stored_head).await;
    let Copied { found: head, file, size_bytes } = copied?;
    let rev = head.map(|head| head.rev.to_string());
    let done = BackedUp { file: file.display().to_string(), size_bytes, rev };
    output::result(arguments.json, &done, || shown(&done, config))
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
