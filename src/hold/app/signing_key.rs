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
    open(directory, false)
}

/// Reads the key in `directory`. Generates one where there is none, unless there is a repository that another key
/// signed.
pub(super) fn open(directory: &Path, repo_exists: bool) -> Result<SigningKey, StartError> {
    let path = directory.join(key_file::FILE_NAME);
    if let Some(key) = key_file::load(&path)? {
        return Ok(key);
    }
    if repo_exists {
        return Err(StartError::KeyMissing(path));
    }
    let key = key_file::generate()?;
    key_file::create(&path, &key)?;
    tracing::info!(path = %path.display(), "a signing key was made: back it up together with the database");
    Ok(key)
}
