//! Accounts and their secrets. The accounts are in a file of the user (`~/.config/atcr/credentials.json`, mode 0600),
//! their secrets in the system's keyring where there is one, else in that file.
//!
//! Writers hold a lock; readers need none, as the file is replaced, not changed.

mod error;
mod folder;
mod keyring;
mod secret;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::registry::RegistryName;
use folder::{Folder, FolderLock};

pub use error::{KeyringError, StoreError};
pub use keyring::{Keyring, has_session_bus};
pub use secret::{MAX_SECRET_BYTES, Secret};

/// Version of the file's format; a file of a newer version is refused.
const VERSION: u32 = 1;

/// The place of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The system's keyring.
    Keyring,
    /// The file.
    File,
}

/// User and secret of an account, as docker gets them.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The user.
    pub user: String,
    /// The secret.
    pub secret: Secret,
    /// Whether the secret is a device's, from the device flow: it can be revoked at the registry.
    pub is_device: bool,
}

/// An account at a registry, without its secret.
#[derive(Clone, Debug)]
pub struct Account {
    /// The registry.
    pub registry: RegistryName,
    /// The user.
    pub user: String,
    /// The place of its secret.
    pub place: Place,
    /// Whether docker gets this account, of those at the registry.
    pub is_current: bool,
    /// Whether the secret is a device's.
    pub is_device: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct Document {
    version: u32,
    registries: BTreeMap<String, Entry>,
}

#[derive(Default, Serialize, Deserialize)]
struct Entry {
    /// The registry's origin, where the name alone would give the other scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    /// The user that docker gets.
    current: String,
    accounts: Vec<Kept>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    user: String,
    /// The secret; `None` where it is in the keyring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Secret>,
    #[serde(default)]
    device: bool,
}

impl Kept {
    fn place(&self) -> Place {
        if self.secret.is_some() { Place::File } else { Place::Keyring }
    }
}

/// The store of all accounts.
#[derive(Clone, Debug)]
pub struct Store {
    folder: Folder,
    keyring: Option<Keyring>,
}

impl Store {
    /// Opens a store below `config_home`, else `home`, with secrets in `keyring`, where there is one. Reads nothing
    /// yet.
    ///
    /// # Errors
    /// [`StoreError::NoHome`]
    pub fn new(
        config_home: Option<OsString>,
        home: Option<OsString>,
        keyring: Option<Keyring>,
    ) -> Result<Self, StoreError> {
        Ok(Self { folder: Folder::of(config_home, home)?, keyring })
    }

    /// Returns the path of the file with the accounts.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.file()
    }

    /// Checks that an account could be stored: takes the lock of writers, and creates the folder if it is missing.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn check_writable(&self) -> Result<(), StoreError> {
        self.folder.lock().map(drop)
    }

    /// Returns the current account of a registry. `patience` is the time-out of the keyring.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn get(&self, registry: &RegistryName, patience: Duration) -> Result<Option<Credential>, StoreError> {
        let document = self.read()?;
        let Some(entry) = document.registries.get(registry.as_str()) else { return Ok(None) };
        let Some(kept) = entry.accounts.iter().find(|kept| kept.user == entry.current) else { return Ok(None) };
        self.credential(registry.as_str(), kept, patience).map(Some)
    }

    /// Returns an account with its secret. `patience` is the time-out of the keyring.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn credential_of(&self, account: &Account, patience: Duration) -> Result<Credential, StoreError> {
        let (document, name) = (self.read()?, account.registry.as_str());
        let kept =
            document.registries.get(name).and_then(|entry| entry.accounts.iter().find(|k| k.user == account.user));
        self.credential(name, kept.ok_or_else(|| no_account(&account.registry, &account.user))?, patience)
    }

    fn credential(&self, registry: &str, kept: &Kept, patience: Duration) -> Result<Credential, StoreError> {
        let secret = match &kept.secret {
            Some(secret) => Ok(secret.clone()),
            None => self.in_keyring(|keyring| keyring.look_up((registry, &kept.user), patience)),
        };
        let secret = secret.map_err(|error| StoreError::Keyring { user: kept.user.clone(), error })?;
        Ok(Credential { user: kept.user.clone(), secret, is_device: kept.device })
    }

    /// Stores an account, in place of the last one of the same user; docker gets it from now on. Returns the place of
    /// its secret, and the error of the keyring if it has one that failed.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn put(
        &self,
        registry: &RegistryName,
        credential: &Credential,
        patience: Duration,
    ) -> Result<(Place, Option<KeyringError>), StoreError> {
        let lock = self.folder.lock()?;
        let mut document = self.read()?;
        let of = (registry.as_str(), credential.user.as_str());
        let kept = self.in_keyring(|keyring| keyring.store(of, &credential.secret, patience));
        let (secret, problem) = match kept {
            Ok(()) => (None, None),
            Err(KeyringError::Absent) => (Some(credential.secret.clone()), None),
            Err(error) => (Some(credential.secret.clone()), Some(error)),
        };
        let kept = Kept { user: credential.user.clone(), secret, device: credential.is_device };
        let place = kept.place();
        let entry = document.registries.entry(registry.as_str().to_owned()).or_default();
        entry.origin = registry.written_origin();
        entry.current.clone_from(&kept.user);
        let is_left = |account: &Kept| account.user == kept.user && account.place() == Place::Keyring;
        let is_left = place == Place::File && entry.accounts.iter().any(is_left);
        entry.accounts.retain(|account| account.user != kept.user);
        entry.accounts.push(kept);
        self.write(&lock, &mut document)?;
        // The account's last secret, which nothing names any more. A keyring that is locked would only cost time.
        if is_left && problem == Some(KeyringError::TooLong) {
            let _ = self.in_keyring(|keyring| keyring.clear(of, patience));
        }
        Ok((place, problem))
    }

    /// Deletes an account of a registry, or all of them; returns the users that were deleted.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn erase(
        &self,
        registry: &RegistryName,
        user: Option<&str>,
        patience: Duration,
    ) -> Result<Vec<String>, StoreError> {
        // Nothing to delete: no folder is created.
        if !self.read()?.registries.contains_key(registry.as_str()) {
            return Ok(Vec::new());
        }
        let lock = self.folder.lock()?;
        let mut document = self.read()?;
        let Some(entry) = document.registries.get_mut(registry.as_str()) else { return Ok(Vec::new()) };
        let is_meant = |kept: &Kept| user.is_none_or(|user| kept.user == user);
        let (gone, left): (Vec<_>, Vec<_>) = entry.accounts.drain(..).partition(is_meant);
        entry.accounts = left;
        if gone.iter().any(|kept| kept.user == entry.current) {
            entry.current = entry.accounts.last().map(|kept| kept.user.clone()).unwrap_or_default();
        }
        if entry.accounts.is_empty() {
            document.registries.remove(registry.as_str());
        }
        self.write(&lock, &mut document)?;
        for kept in gone.iter().filter(|kept| kept.place() == Place::Keyring) {
            let cleared = self.in_keyring(|keyring| keyring.clear((registry.as_str(), &kept.user), patience));
            cleared.map_err(|error| StoreError::Keyring { user: kept.user.clone(), error })?;
        }
        Ok(gone.into_iter().map(|kept| kept.user).collect())
    }

    /// Makes this account the one that docker gets at the registry.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn choose(&self, registry: &RegistryName, user: &str) -> Result<(), StoreError> {
        let lock = self.folder.lock()?;
        let mut document = self.read()?;
        let entry = document.registries.get_mut(registry.as_str());
        let entry = entry.filter(|entry| entry.accounts.iter().any(|kept| kept.user == user));
        user.clone_into(&mut entry.ok_or_else(|| no_account(registry, user))?.current);
        self.write(&lock, &mut document)
    }

    /// Returns all accounts, ordered by registry.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let document = self.read()?;
        let mut accounts = Vec::new();
        for (name, entry) in &document.registries {
            let registry = RegistryName::parse(entry.origin.as_deref().unwrap_or(name));
            let registry = registry.map_err(|_| StoreError::Damaged(self.file()))?;
            accounts.extend(entry.accounts.iter().map(|kept| Account {
                registry: registry.clone(),
                user: kept.user.clone(),
                place: kept.place(),
                is_current: kept.user == entry.current,
                is_device: kept.device,
            }));
        }
        Ok(accounts)
    }

    fn in_keyring<T>(&self, ask: impl FnOnce(&Keyring) -> Result<T, KeyringError>) -> Result<T, KeyringError> {
        self.keyring.as_ref().map_or(Err(KeyringError::Absent), ask)
    }

    fn read(&self) -> Result<Document, StoreError> {
        let Some(bytes) = self.folder.read()? else { return Ok(Document::default()) };
        let document: Document = serde_json::from_slice(&bytes).map_err(|_| StoreError::Damaged(self.file()))?;
        if document.version > VERSION { Err(StoreError::Newer(self.file())) } else { Ok(document) }
    }

    fn write(&self, lock: &FolderLock, document: &mut Document) -> Result<(), StoreError> {
        document.version = VERSION;
        let bytes = serde_json::to_vec_pretty(document).map(Zeroizing::new);
        self.folder.write(lock, &bytes.map_err(|_| StoreError::Damaged(self.file()))?)
    }
}

fn no_account(registry: &RegistryName, user: &str) -> StoreError {
    StoreError::NoAccount { user: user.to_owned(), registry: registry.to_string() }
}
