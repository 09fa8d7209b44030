//! docker's configuration file, in which `credHelpers` names the helper of each registry. The other members are kept.
//! <https://docs.docker.com/reference/cli/docker/login/#credential-helpers>

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

use crate::registry::RegistryName;
use server::storage::{lock_within, sync_directory_of};

/// The helper's name in docker's configuration; docker runs `docker-credential-atcr` for it.
const HELPER: &str = "atcr";
const HELPERS: &str = "credHelpers";
const FILE: &str = "config.json";
const MAX_BYTES: u64 = 16 << 20;
/// As many as Linux follows.
const MAX_LINKS: usize = 40;
/// Time-out of the lock: a change takes less.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Errors of reading and changing docker's configuration; the file is left as it was.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The path is unknown: neither `DOCKER_CONFIG` nor `HOME` is set.
    #[error("neither DOCKER_CONFIG nor HOME is set: nobody says where docker's configuration is")]
    NoHome,
    /// The file is not a configuration that docker reads.
    #[error("{path} is not what docker reads, and stays as it is: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// An I/O error.
    #[error("{path} cannot be {done}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operation, as a past participle: "read", "written".
        done: &'static str,
        /// The I/O error.
        error: io::Error,
    },
}

/// The members of a JSON object, in their order in the file.
#[derive(Default)]
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ordered;
        impl<'de> Visitor<'de> for Ordered {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Ordered)
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// docker's configuration file, read into memory.
pub struct DockerConfig {
    path: PathBuf,
    members: Members,
    is_changed: bool,
    /// Held by who is to change the file, until it is saved.
    lock: Option<File>,
}

impl DockerConfig {
    /// As [`DockerConfig::read`], to change the file: other processes of this program wait until it is saved. docker
    /// itself takes no lock.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn read_to_change(folder: Option<OsString>, home: Option<OsString>) -> Result<Self, ConfigError> {
        let folder = folder_of(folder, home)?;
        let lock = lock(&folder).map_err(|error| failed(&folder.join(FILE), "changed", error))?;
        Ok(Self { lock, ..Self::read_in(&folder)? })
    }

    /// Reads `config.json` of `$DOCKER_CONFIG`, else of `~/.docker`; a missing file counts as empty.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn read(folder: Option<OsString>, home: Option<OsString>) -> Result<Self, ConfigError> {
        Self::read_in(&folder_of(folder, home)?)
    }

    fn read_in(folder: &Path) -> Result<Self, ConfigError> {
        let path = folder.join(FILE);
        let path = target_of(&path).map_err(|error| failed(&path, "read", error))?;
        let damaged = |why: String| ConfigError::Damaged { path: path.clone(), why };
        let members = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Members::default(),
            Err(error) => return Err(failed(&path, "read", error)),
            Ok(metadata) if !metadata.is_file() => return Err(damaged("it is no file".into())),
            Ok(metadata) if metadata.len() > MAX_BYTES => return Err(damaged("it is too large".into())),
            Ok(_) => {
                let bytes = fs::read(&path).map_err(|error| failed(&path, "read", error))?;
                // docker itself accepts a file of white space as an empty configuration.
                if bytes.iter().all(u8::is_ascii_whitespace) {
                    Members::default()
                } else {
                    serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?
                }
            }
        };
        let config = Self { path, members, is_changed: false, lock: None };
        // docker itself takes null for none.
        if config.member(HELPERS).is_some_and(|helpers| !helpers.is_object() && !helpers.is_null()) {
            return Err(ConfigError::Damaged { path: config.path, why: format!("{HELPERS} is no object") });
        }
        Ok(config)
    }

    /// Returns the path of the file, with symbolic links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn member(&self, name: &str) -> Option<&Value> {
        self.members.0.iter().find(|(of, _)| of == name).map(|(_, value)| value)
    }

    /// Returns the helper that `credHelpers` names for `registry`.
    #[must_use]
    pub fn helper(&self, registry: &RegistryName) -> Option<&str> {
        self.member(HELPERS)?.get(registry.as_str())?.as_str()
    }

    /// Whether docker asks this program for `registry`, by `credHelpers` or else by `credsStore`.
    #[must_use]
    pub fn is_ours(&self, registry: &RegistryName) -> bool {
        let for_all = || self.member("credsStore").and_then(Value::as_str);
        self.helper(registry).or_else(for_all) == Some(HELPER)
    }

    /// Returns the registries for which `credHelpers` names this program.
    #[must_use]
    pub fn ours(&self) -> Vec<RegistryName> {
        let helpers = self.member(HELPERS).and_then(Value::as_object);
        let ours = helpers.into_iter().flatten().filter(|(_, helper)| helper.as_str() == Some(HELPER));
        ours.filter_map(|(name, _)| RegistryName::parse(name).ok()).collect()
    }

    /// Whether the file itself has a password or token for the registry, as after `docker login` without a helper.
    #[must_use]
    pub fn has_password(&self, registry: &RegistryName) -> bool {
        let auths = self.member("auths").and_then(Value::as_object);
        auths.into_iter().flatten().any(|(name, entry)| {
            let is_secret = |field: &str| entry[field].as_str().is_some_and(|text| !text.is_empty());
            RegistryName::parse(name).is_ok_and(|name| name.as_str() == registry.as_str())
                && (is_secret("auth") || is_secret("identitytoken"))
        })
    }

    /// Makes this program the helper of `registry`; returns whether that is a change.
    pub fn add(&mut self, registry: &RegistryName) -> bool {
        if self.helper(registry) == Some(HELPER) {
            return false;
        }
        self.is_changed = true;
        if self.member(HELPERS).is_none_or(Value::is_null) {
            self.members.0.retain(|(name, _)| name != HELPERS);
            self.members.0.push((HELPERS.to_owned(), Value::Object(Map::new())));
        }
        if let Some(helpers) = self.helpers() {
            helpers.insert(registry.as_str().to_owned(), HELPER.into());
        }
        true
    }

    /// Removes this program as the helper of `registry`; returns whether it was the helper.
    pub fn remove(&mut self, registry: &RegistryName) -> bool {
        if self.helper(registry) != Some(HELPER) {
            return false;
        }
        self.is_changed = true;
        if let Some(helpers) = self.helpers() {
            helpers.remove(registry.as_str());
            if helpers.is_empty() {
                self.members.0.retain(|(name, _)| name != HELPERS);
            }
        }
        true
    }

    fn helpers(&mut self) -> Option<&mut Map<String, Value>> {
        self.members.0.iter_mut().find(|(name, _)| name == HELPERS)?.1.as_object_mut()
    }

    /// Writes the file, if it was changed, and keeps its mode.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn save(self) -> Result<(), ConfigError> {
        if !self.is_changed {
            return Ok(());
        }
        let mut bytes = Vec::new();
        // The format of docker: indented by tabs.
        let format = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let written = self.members.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, format));
        written.map_err(|error| ConfigError::Damaged { path: self.path.clone(), why: error.to_string() })?;
        bytes.push(b'\n');
        let replaced = replace(&self.path, &bytes).map_err(|error| failed(&self.path, "written", error));
        drop(self.lock);
        replaced
    }
}

/// Returns the folder of docker's configuration.
fn folder_of(folder: Option<OsString>, home: Option<OsString>) -> Result<PathBuf, ConfigError> {
    let said = |text: Option<OsString>| text.filter(|text| !text.is_empty()).map(PathBuf::from);
    said(folder).or_else(|| Some(said(home)?.join(".docker"))).ok_or(ConfigError::NoHome)
}

/// Takes the lock of the folder, which is created. `None` where it cannot be had: a file system without locks; or one that
/// cannot be written, as saving says.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let Ok(opened) = make(folder).and_then(|()| File::open(folder)) else { return Ok(None) };
    match lock_within(&opened, LOCK_PATIENCE) {
        Ok(()) => Ok(Some(opened)),
        Err(TryLockError::Error(_)) => Ok(None),
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another process is changing it: try again")),
    }
}

fn make(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700).create(folder)
}

/// Returns the file that is replaced for `path`: of a symbolic link its target, also a missing one, so that the link
/// stays. The folder of a missing target must exist: it may be of a file system that is not mounted.
fn target_of(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        match (fs::canonicalize(&target), fs::read_link(&target)) {
            (Ok(found), _) => return Ok(found),
            (Err(_), Ok(next)) => target = target.parent().unwrap_or(Path::new("/")).join(next),
            // The folder of the configuration itself is made.
            (Err(_), Err(_)) if target == path => return Ok(target),
            (Err(error), Err(_)) => {
                let folder = target.parent().ok_or(error)?;
                return Ok(fs::canonicalize(folder)?.join(target.file_name().unwrap_or_default()));
            }
        }
    }
    Err(io::Error::other("it is a symbolic link that leads to itself"))
}

fn failed(path: &Path, done: &'static str, error: io::Error) -> ConfigError {
    ConfigError::Io { path: path.to_owned(), done, error }
}

/// Replaces the file atomically with `bytes`.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    make(path.parent().unwrap_or(Path::new("/")))?;
    let mode = match fs::metadata(path) {
        // Replaced by another user (root), the file would no longer belong to its owner.
        Ok(metadata) if metadata.uid() != rustix::process::geteuid().as_raw() => {
            return Err(io::Error::other("it belongs to another user"));
        }
        Ok(metadata) => metadata.mode() & 0o777,
        Err(_) => 0o600,
    };
    let new = path.with_extension(format!("json.atcr-{}", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        sync_directory_of(path)
    };
    write().inspect_err(|_| _ = fs::remove_file(&new))
}
