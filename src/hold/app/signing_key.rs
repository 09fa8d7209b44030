//! The signing key: read, or generated once, never replaced.

use std::path::Path;

use super::StartError;
use atproto::keys::SigningKey;
use server::key_file;
use server::settings::Secret;

/// Parses the key of the configuration. A key that did not sign the repository is refused later.
pub(super) fn given(text: &Secret) -> Result<SigningKey, StartError> {
    key_file::parse(text.expose().as_bytes()).ok_or(StartError::GivenKey)
}

/// Reads the key in `directory` that is to replace another. Generates one where there is none, if the old one is lost.
pub(super) fn replacement(directory: &Path, old_key_is_lost: bool) -> Result<SigningKey, StartError> {
    let path = directory.join(key_file::FILE_NAME);
    if !old_key_is_lost && key_file::load(&path)?.is_none() {
        return Err(StartError::KeyNotFound(path));
    }
    existing(directory, false)?.map_or_else(|| create(directory), Ok)
}

/// Reads the key in `directory`; `None` where there is none and may be none, as there is no repository that one signed.
pub(super) fn existing(directory: &Path, repo_exists: bool) -> Result<Option<SigningKey>, StartError> {
    let path = directory.join(key_file::FILE_NAME);
    match key_file::load(&path)? {
        None if repo_exists => Err(StartError::KeyMissing(path)),
        key => Ok(key),
    }
}

/// Generates the key in `directory`.
pub(super) fn create(directory: &Path) -> Result<SigningKey, StartError> {
    let path = directory.join(key_file::FILE_NAME);
    let key = key_file::generate()?;
    key_file::create(&path, &key)?;
    tracing::info!(path = %path.display(), "a signing key was made: back it up together with the database");
    Ok(key)
}
