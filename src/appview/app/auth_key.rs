//! The key that the secrets of passwords and tokens are derived from: read, or made once, never replaced.

use std::path::Path;

use super::StartError;
use atproto::keys::SigningKey;
use server::key_file;
use server::settings::Secret;

/// The key of the configuration, which was checked, else that in the file at `path`. Without one a key is made: tokens
/// from before are good no more, and nothing is lost.
pub(super) fn open(given: Option<&Secret>, path: &Path) -> Result<SigningKey, StartError> {
    if let Some(key) = given.and_then(|text| key_file::parse(text.expose().as_bytes())) {
        return Ok(key);
    }
    if let Some(key) = key_file::load(path)? {
        return Ok(key);
    }
    let key = key_file::generate().map_err(StartError::Randomness)?;
    key_file::create(path, &key)?;
    tracing::info!(path = %path.display(), "a key for tokens was made");
    Ok(key)
}
