//! What docker says to a credential helper, and what it understands.
//! <https://github.com/docker/docker-credential-helpers#development>
//!
//! An error is a line on standard output: docker knows some by their very words, and shows the others.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::registry::{RegistryName, RegistryNameError};
use crate::store::{Credential, KeyringError, MAX_SECRET_BYTES, Place, Secret, Store, StoreError};

/// docker sends a secret and an address.
pub const MAX_INPUT_BYTES: usize = 128 * 1024;
/// `get` waits for nobody: a keyring that has not answered by then is locked.
const GET_PATIENCE: Duration = Duration::from_secs(2);
/// What changes the keyring may take.
const CHANGE_PATIENCE: Duration = Duration::from_secs(5);
const MAX_USER_BYTES: usize = 1000;

/// Why docker gets no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// Nobody is signed in: docker goes on as nobody. The words are docker's.
    #[error("credentials not found in native keychain")]
    NotFound,
    /// What it sent names no registry.
    #[error(transparent)]
    Name(#[from] RegistryNameError),
    /// It named nobody. The words are docker's.
    #[error("no credentials username")]
    NoUser,
    /// What it sent is not what docker sends.
    #[error("what was sent is not what docker sends: {0}")]
    Input(&'static str),
    /// The accounts cannot be read or kept.
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

/// `get`: whom docker is to be at the registry that `input` names.
///
/// # Errors
/// [`ProtocolError`]; so below.
pub fn get(accounts: &Store, input: &[u8]) -> Result<Zeroizing<String>, ProtocolError> {
    let input = text(input)?;
    let registry = RegistryName::parse(input)?;
    let found = accounts.get(&registry, GET_PATIENCE)?.ok_or(ProtocolError::NotFound)?;
    let message = Message { server_url: input.trim(), username: &found.user, secret: found.secret.reveal() };
    Ok(Zeroizing::new(serde_json::to_string(&message).map_err(|_| ProtocolError::Input("it is no text"))?))
}

/// `store`: keeps what docker was given; answers what to say of it on standard error, if anything.
///
/// # Errors
/// [`ProtocolError`]; so below.
pub fn store(accounts: &Store, input: &[u8]) -> Result<Option<KeyringError>, ProtocolError> {
    // Its error would show a part of what was sent.
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

/// `erase`: docker is nobody at the registry that `input` names from now on. That it was nobody before is no error.
///
/// # Errors
/// [`ProtocolError`]; so below.
pub fn erase(accounts: &Store, input: &[u8]) -> Result<(), ProtocolError> {
    let registry = RegistryName::parse(text(input)?)?;
    accounts.erase(&registry, None, CHANGE_PATIENCE)?;
    Ok(())
}

/// `list`: who docker is at each registry.
///
/// # Errors
/// [`ProtocolError`]; so below.
pub fn list(accounts: &Store) -> Result<BTreeMap<String, String>, ProtocolError> {
    let current = accounts.accounts()?.into_iter().filter(|account| account.is_current);
    Ok(current.map(|account| (account.registry.to_string(), account.user)).collect())
}
