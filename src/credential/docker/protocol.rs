//! The protocol of docker's credential helpers.
//! <https://github.com/docker/docker-credential-helpers#development>
//!
//! An error is a line on standard output: docker compares some texts literally, and shows the others.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::registry::{RegistryName, RegistryNameError};
use crate::store::{Credential, KeyringError, MAX_SECRET_BYTES, Place, Secret, Store, StoreError};

/// Limit of standard input: an address and a secret in JSON.
pub const MAX_INPUT_BYTES: usize = 128 * 1024;
/// Time-out of the keyring for `get`: a keyring that has not answered by then counts as locked.
const GET_PATIENCE: Duration = Duration::from_secs(2);
/// Time-out of the keyring for `store` and `erase`.
const CHANGE_PATIENCE: Duration = Duration::from_secs(5);
const MAX_USER_BYTES: usize = 1000;

/// Errors of the commands that docker runs.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// No account for the registry: docker goes on without authentication. docker compares this text literally.
    #[error("credentials not found in native keychain")]
    NotFound,
    /// The input names no registry.
    #[error(transparent)]
    Name(#[from] RegistryNameError),
    /// The input has no user name. docker compares this text literally.
    #[error("no credentials username")]
    NoUser,
    /// The input is not valid in the protocol.
    #[error("what was sent is not what docker sends: {0}")]
    Input(&'static str),
    /// The accounts cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize)]
struct Message<'m> {
    #[serde(rename = "ServerURL")]
    server_url: &'m str,
    #[serde(rename = "Username")]
    username: &'m str,
    #[serde(rename = "Secret")]
    secret: &'m str,
}

#[derive(Deserialize)]
struct Sent {
    #[serde(rename = "ServerURL", default)]
    server_url: String,
    #[serde(rename = "Username", default)]
    username: String,
    #[serde(rename = "Secret")]
    secret: Secret,
}

fn text(input: &[u8]) -> Result<&str, ProtocolError> {
    if input.len() > MAX_INPUT_BYTES {
        return Err(ProtocolError::Input("it is too long"));
    }
    std::str::from_utf8(input).map_err(|_| ProtocolError::Input("it is no text"))
}

/// `get`: returns the user and secret of the registry that `input` names, as JSON.
///
/// # Errors
/// [`ProtocolError`]
pub fn get(accounts: &Store, input: &[u8]) -> Result<Zeroizing<String>, ProtocolError> {
    let input = text(input)?;
    let registry = RegistryName::parse(input)?;
    let found = accounts.get(&registry, GET_PATIENCE)?.ok_or(ProtocolError::NotFound)?;
    let message = Message { server_url: input.trim(), username: &found.user, secret: found.secret.reveal() };
    Ok(Zeroizing::new(serde_json::to_string(&message).map_err(|_| ProtocolError::Input("it is no text"))?))
}

/// `store`: stores the account in `input`; returns the reason why its secret is in the file although there is a
/// keyring.
///
/// # Errors
/// [`ProtocolError`]
pub fn store(accounts: &Store, input: &[u8]) -> Result<Option<KeyringError>, ProtocolError> {
    // serde's error is dropped: it would show a part of the input, which has a secret.
    let sent: Sent =
        serde_json::from_str(text(input)?).map_err(|_| ProtocolError::Input("it is no JSON of docker's"))?;
    let registry = RegistryName::parse(&sent.server_url)?;
    if sent.username.is_empty() {
        return Err(ProtocolError::NoUser);
    }
    let is_user = sent.username.len() <= MAX_USER_BYTES && !sent.username.contains(char::is_control);
    let is_secret = sent.secret.reveal().len() <= MAX_SECRET_BYTES && !sent.secret.reveal().contains('\0');
    if !is_user || !is_secret {
        return Err(ProtocolError::Input("no user or secret is so long, or has such characters"));
    }
    let is_device = sent.secret.reveal().starts_with("atcr_device_");
    let credential = Credential { user: sent.username, secret: sent.secret, is_device };
    let (place, problem) = accounts.put(&registry, &credential, CHANGE_PATIENCE)?;
    Ok(problem.filter(|_| place == Place::File))
}

/// `erase`: deletes all accounts of the registry that `input` names. None is no error.
///
/// # Errors
/// [`ProtocolError`]
pub fn erase(accounts: &Store, input: &[u8]) -> Result<(), ProtocolError> {
    let registry = RegistryName::parse(text(input)?)?;
    accounts.erase(&registry, None, CHANGE_PATIENCE)?;
    Ok(())
}

/// `list`: returns the current user of each registry.
///
/// # Errors
/// [`ProtocolError`]
pub fn list(accounts: &Store) -> Result<BTreeMap<String, String>, ProtocolError> {
    let current = accounts.accounts()?.into_iter().filter(|account| account.is_current);
    Ok(current.map(|account| (account.registry.to_string(), account.user)).collect())
}
