//! The keys of the registry: read, or made once, never replaced. The secrets for passwords and tokens are derived from
//! the first; the second one authenticates the registry as an OAuth client.

use std::path::Path;

use super::StartError;
use atproto::keys::{P256Key, SigningKey};
use server::key_file::{self, KeyFileError};
use server::settings::Secret;

/// Returns the key of the configuration, which was checked, else that in the file at `path`. If there is none a key is
/// made: earlier tokens become invalid, and nothing else is lost.
pub(super) fn open(given: Option<&Secret>, path: &Path) -> Result<SigningKey, StartError> {
    if let Some(key) = given.and_then(|text| key_file::parse(text.expose().as_bytes())) {
        return Ok(key);
    }
    load_or_make(path, "a key for tokens was made")
}

/// Returns the key of the OAuth client. If it is a new one, everybody who signed in by OAuth must sign in again.
pub(super) fn open_oauth(path: &Path) -> Result<P256Key, StartError> {
    let key = load_or_make(path, "a key by which authorization servers know this registry was made")?;
    // `key_file` makes keys of another curve, about one in 2^32 of which is no P-256 key.
    P256Key::from_bytes(&key.to_bytes()).map_err(|_| StartError::DamagedKey(KeyFileError::Damaged(path.to_owned())))
}

fn load_or_make(path: &Path, made: &str) -> Result<SigningKey, StartError> {
    match key_file::load(path) {
        Ok(Some(key)) => return Ok(key),
        Ok(None) => {}
        Err(error @ KeyFileError::Damaged(_)) => return Err(StartError::DamagedKey(error)),
        Err(error) => return Err(error.into()),
    }
    let key = key_file::generate().map_err(StartError::Randomness)?;
    key_file::create(path, &key)?;
    tracing::info!(path = %path.display(), "{made}");
    Ok(key)
}
