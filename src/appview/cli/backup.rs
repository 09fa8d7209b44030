//! `backup`.

use serde::Serialize;

use crate::config::Config;
use crate::schema::SCHEMA;
use server::console::{BackupArguments, CommandError, Copied, output, size};

/// The result of a backup.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackedUp {
    file: String,
    size_bytes: u64,
}

pub(super) async fn run(arguments: BackupArguments, config: &Config) -> Result<(), CommandError> {
    let remedy = "start the registry once, or set ATCR_DATABASE_PATH";
    let Copied { found: (), file, size_bytes } =
        arguments.run(&config.database_path, &SCHEMA, remedy, |_| Ok(())).await?;
    let done = BackedUp { file: file.display().to_string(), size_bytes };
    let key = match &config.auth_key {
        Some(_) => "the key that ATCR_AUTH_KEY gives".into(),
        None => config.auth_key_path.display().to_string(),
    };
    output::result(arguments.json, &done, || {
        let (size, oauth_key) = (size(size_bytes), config.oauth_key_path.display());
        format!("{size} written to {}\nThe keys are not in it: keep a copy of {key} and {oauth_key}.\n", done.file)
    })
}
