//! The keys of the registry: read, or made once, never replaced. The secrets of passwords and tokens are derived from one;
//! by the other authorization servers know the registry.

use std::path::Path;

use super::StartError;
use atproto::keys::{P256Key, SigningKey};
use server::key_file::{self, KeyFileError};
use server::settings::Secret;

/// The key of the configuration, which was checked, else that in the file at `path`. Without one a key is made: tokens
/// from before are good no more, and nothing is lost.
pub(super) fn open(given: Option<&Secret>, path: &Path) -> Result<SigningKey, StartError> {
    if let Some(key) = given.and_then(|text| key_file::parse(text.expose().as_bytes())) {
        return Ok(key);
    }
    load_or_make(path, "a key for tokens was made")
}

/// The key by which authorization servers know us. Whoever signed in with another one before must sign in again.
pub(super) fn open_oauth(path: &Path) -> Result<P256Key, StartError> {
    let key = load_or_make(path, "a key by which authorization servers know this registry was made")?;
    // One of 2^32 keys of the other curve is none of this one.
    P256Key::from_bytes(&key.to_bytes()).map_err(|_| KeyFileError::Damaged(path.to_owned()).into())
}

fn load_or_make(path: &Path, made: &str) -> Result<SigningKey, StartError> {
    if let Some(key) = key_file::load(path)? {
        return Ok(key);
    }
    let key = key_file::generate().map_err(StartError::Randomness)?;
    key_file::create(path, &key)?;
    tracing::info!(path = %path.display(), "{made}");
    Ok(key)
}
