//! Accounts and their secrets: which there are stands in a file of the person's own (`~/.config/atcr/credentials.json`, 0600),
//! their secrets in the system's keyring where there is one, else in that file, too.
//!
//! Whoever writes has the lock; whoever reads needs none, as the file is replaced, not changed.

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

/// Of the file; a newer one is not touched.
const VERSION: u32 = 1;

/// Where a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In the system's keyring.
    Keyring,
    /// In the file.
    File,
}

/// What docker is told of an account.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The user.
    pub user: String,
    /// The secret.
    pub secret: Secret,
    /// Whether the registry let this machine in as a device: the secret can be given back there.
    pub is_device: bool,
}

/// An account at a registry, without its secret.
#[derive(Clone, Debug)]
pub struct Account {
    /// Where.
    pub registry: RegistryName,
    /// Who.
    pub user: String,
    /// Where its secret is.
    pub place: Place,
    /// Whether docker is told of this one.
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
    /// Where the name alone does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    /// The user that docker is told of.
    current: String,
    accounts: Vec<Kept>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    user: String,
    /// In the keyring, where it is not here.
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

/// All accounts.
#[derive(Clone, Debug)]
pub struct Store {
    folder: Folder,
    keyring: Option<Keyring>,
}

impl Store {
    /// Accounts below `config_home`, else `home`; secrets in `keyring`, where there is one. Nothing is read yet.
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

    /// The file with the accounts.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.file()
    }

    /// What docker is told of a registry. The keyring has so long.
    ///
    /// # Errors
    /// [`StoreError`]; so below.
    pub fn get(&self, registry: &RegistryName, patience: Duration) -> Result<Option<Credential>, StoreError> {
        let document = self.read()?;
        let Some(entry) = document.registries.get(registry.as_str()) else { return Ok(None) };
        let Some(kept) = entry.accounts.iter().find(|kept| kept.user == entry.current) else { return Ok(None) };
        self.credential(registry.as_str(), kept, patience).map(Some)
    }

    /// The secret of an account.
    ///
    /// # Errors
    /// [`StoreError`]; so below.
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

    /// Keeps an account, in the place of what was kept of it; docker is told of it from now on. Answers where its secret is,
    /// and why not in the keyring that there is.
    ///
    /// # Errors
    /// [`StoreError`]; so below.
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
        entry.accounts.retain(|account| account.user != kept.user);
        entry.accounts.push(kept);
        self.write(&lock, &mut document)?;
        Ok((place, problem))
    }

    /// Forgets an account of a registry, or all of them; answers whom.
    ///
    /// # Errors
    /// [`StoreError`]; so below.
    pub fn erase(
        &self,
        registry: &RegistryName,
        user: Option<&str>,
        patience: Duration,
    ) -> Result<Vec<String>, StoreError> {
        // Who keeps nothing makes no folder.
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

    /// docker is told of this account of a registry from now on.
    ///
    /// # Errors
    /// [`StoreError`]; so below.
    pub fn choose(&self, registry: &RegistryName, user: &str) -> Result<(), StoreError> {
        let lock = self.folder.lock()?;
        let mut document = self.read()?;
        let entry = document.registries.get_mut(registry.as_str());
        let entry = entry.filter(|entry| entry.accounts.iter().any(|kept| kept.user == user));
        user.clone_into(&mut entry.ok_or_else(|| no_account(registry, user))?.current);
        self.write(&lock, &mut document)
    }

    /// All accounts, by their registries.
    ///
    /// # Errors
    /// [`StoreError`]; so below.
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
