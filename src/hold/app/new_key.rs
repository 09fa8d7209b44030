//! Replaces a signing key that is lost or compromised, while no daemon has the hold.

use std::path::PathBuf;

use super::{StartError, clock_id, now_us, signing_key};
use crate::config::Config;
use crate::pds;
use crate::pds::{Head, Pds, PdsError};
use crate::schema;
use atproto::keys::PublicKey;
use server::key_file;

/// The result of a replacement of the key.
pub struct NewKey {
    /// The new key.
    pub key: PublicKey,
    /// Its file; `None` where the key is in the configuration.
    pub file: Option<PathBuf>,
    /// The commit signed with it.
    pub head: Head,
}

/// Signs the repository with the key of the configuration or of the key file. Where there is neither, a key is
/// generated. A key file takes over, and is generated, only when the old key is declared lost: that may be where this
/// process cannot see it, such as the credentials of the service. Repeated after an interruption, it goes on with the key
/// that it had generated.
///
/// # Errors
/// [`StartError::KeyInUse`] when that key is the one that signs already; [`StartError::KeyNotFound`] when there is none,
/// and [`StartError::KeyFileIsAnother`] when it is in a file, and `old_key_is_lost` is false; else as [`super::open`].
pub async fn new_key(config: &Config, old_key_is_lost: bool) -> Result<NewKey, StartError> {
    if !config.database_path.exists() {
        return Err(StartError::NoDatabase(config.database_path.clone()));
    }
    let database = schema::open(&config.database_path)?;
    let head = database.read(pds::stored_head).await?.ok_or(StartError::NoRepository)?;
    if head.did != config.did {
        // Before a key is generated.
        return Err(PdsError::OtherDid(head.did).into());
    }
    let key = match &config.signing_key {
        Some(text) => signing_key::given(text)?,
        None => signing_key::replacement(&config.key_dir, old_key_is_lost)?,
    };
    let file = config.signing_key.is_none().then(|| config.key_dir.join(key_file::FILE_NAME));
    let public_key = key.public();
    let pds = Pds::new(database, &config.did, &config.public_url, key, clock_id()?);
    match pds.check_ownership().await {
        Ok(()) => {
            Err(StartError::KeyInUse(file.map_or_else(|| "HOLD_SIGNING_KEY".into(), |file| file.display().to_string())))
        }
        Err(PdsError::OtherKey) => {
            if let Some(file) = file.as_ref().filter(|_| !old_key_is_lost) {
                return Err(StartError::KeyFileIsAnother(file.clone()));
            }
            let head = pds.sign_anew(now_us()).await?.ok_or(StartError::NoRepository)?;
            Ok(NewKey { key: public_key, file, head })
        }
        Err(error) => Err(error.into()),
    }
}
