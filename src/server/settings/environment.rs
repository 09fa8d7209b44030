//! Environment variables as a layer of configuration.
//!
//! figment's own provider parses values (`S3_BUCKET=0123` would become 123), shows them in errors, and lets an
//! empty variable override the file. Here every value is text, an empty variable is unset, and errors can name
//! the variable.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use figment::value::{Dict, Value};

use super::layer::{Layer, insert};
use super::setting::nearest;
use super::{Setting, SettingKind, SettingsError, dotenv};

/// The longest file of a secret or of variables, 1 MiB: a wrong path may lead to one without an end.
const MAX_BYTES: u64 = 1 << 20;

/// The variable with the directory of a unit's credentials. <https://systemd.io/CREDENTIALS/>
pub(super) const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The environment variables of a program: those of the process, those of a file, or a test's.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// The names of variables whose values are not UTF-8.
    unreadable: Vec<String>,
}

impl Environment {
    /// Returns the environment of this process, without the values that are not UTF-8.
    #[must_use]
    pub fn of_process() -> Self {
        let mut environment = Self::default();
        for (name, value) in std::env::vars_os() {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => _ = environment.variables.insert(name, value),
                (Ok(name), Err(_)) => environment.unreadable.push(name),
                (Err(_), _) => {}
            }
        }
        environment
    }

    /// Returns a variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns the first of the directories that systemd names in a variable like `STATE_DIRECTORY`.
    #[must_use]
    pub fn directory(&self, name: &str) -> Option<&Path> {
        // systemd separates several by colons; the first is that of the unit's own name.
        self.get(name).and_then(|list| list.split(':').next()).map(Path::new)
    }

    /// Reads a file of variables; `None` when there is no such file.
    pub(super) fn of_file(path: &Path) -> Result<Option<Self>, SettingsError> {
        match read_text(path) {
            Ok(text) => Ok(Some(Self { variables: dotenv::parse(path, &text)?, ..Self::default() })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SettingsError::file(path, &format!("it cannot be read: {error}"))),
        }
    }

    /// Whether it sets an option of the table.
    pub(super) fn sets_any(&self, settings: &[Setting]) -> bool {
        let variables = settings.iter().flat_map(|setting| setting.variable.into_iter().chain(setting.alias));
        variables.into_iter().any(|variable| self.get(variable).is_some())
    }

    /// Returns the variables of options whose values are not UTF-8.
    pub(super) fn unreadable(&self, settings: &[Setting]) -> impl Iterator<Item = &str> {
        let is_known =
            move |name: &&str| settings.iter().any(|setting| [setting.variable, setting.alias].contains(&Some(*name)));
        self.unreadable.iter().map(String::as_str).filter(is_known)
    }

    /// Returns the variables with this prefix that belong to no option, each with the known name that is near to it, if
    /// one is.
    pub(super) fn unknown<'e>(&'e self, prefix: &str, settings: &[Setting]) -> Vec<(&'e str, Option<&'static str>)> {
        let known = |name: &str, setting: &Setting| {
            setting.variable.into_iter().chain(setting.alias).any(|variable| {
                name == variable
                    || (setting.kind == SettingKind::Secret && name.strip_suffix("_FILE") == Some(variable))
            })
        };
        let unknown = self.variables.keys().filter(|name| name.starts_with(prefix));
        let unknown = unknown.filter(|name| !settings.iter().any(|setting| known(name, setting)));
        let near = |name: &str| {
            let variables = settings.iter().filter_map(|setting| setting.variable);
            nearest(&name[prefix.len()..], variables, |variable| variable.trim_start_matches(prefix))
        };
        unknown.map(|name| (name.as_str(), near(name))).collect()
    }

    /// Returns these variables as layers of configuration: one of those that have values, and one of each secret that a
    /// file has, with the file as its origin.
    pub(super) fn layers(&self, settings: &[Setting], origin: String) -> Result<Vec<Layer>, SettingsError> {
        let mut values = Dict::new();
        let mut layers = Vec::new();
        for setting in settings {
            let Some(name) = setting.variable else { continue };
            let text = self.get(name).or_else(|| self.get(setting.alias?));
            let value = match (text, setting.kind) {
                (Some(text), SettingKind::List) => {
                    text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect::<Vec<_>>().into()
                }
                (Some(path), SettingKind::SecretFile) => {
                    layers.push(secret_layer(setting, Path::new(path), read_secret(path, name)?));
                    continue;
                }
                (Some(text), _) => Value::from(text),
                (None, SettingKind::Secret | SettingKind::SecretFile) => {
                    let found = self.secret_from_file(name)?;
                    layers.extend(found.map(|(path, text)| secret_layer(setting, &path, text)));
                    continue;
                }
                (None, _) => continue,
            };
            insert(&mut values, setting.name, value);
        }
        layers.push(Layer { origin, values });
        Ok(layers)
    }

    /// Returns the secret of the file that a variable names, or of the credential, and the path of that file.
    fn secret_from_file(&self, name: &str) -> Result<Option<(PathBuf, String)>, SettingsError> {
        let variable = format!("{name}_FILE");
        if let Some(path) = self.get(&variable) {
            return Ok(Some((path.into(), read_secret(path, &variable)?)));
        }
        let Some(directory) = self.get(CREDENTIALS) else { return Ok(None) };
        let path = Path::new(directory).join(name);
        match read_text(&path) {
            Ok(text) => Ok(Some((path, text.trim_end().to_owned())).filter(|(_, text)| !text.is_empty())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(SettingsError::file(&path, &format!("the credential cannot be read: {e}"))),
        }
    }
}

fn secret_layer(setting: &Setting, path: &Path, text: String) -> Layer {
    let mut values = Dict::new();
    insert(&mut values, setting.name, Value::from(text));
    Layer { origin: path.display().to_string(), values }
}

/// Reads the text of a file, which may be a pipe.
fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it has more than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

/// Reads the secret in the file at `path`, which `variable` names.
fn read_secret(path: &str, variable: &str) -> Result<String, SettingsError> {
    let wrong = |problem: &str| SettingsError::file(Path::new(path), &format!("{variable} names it, but {problem}"));
    let text = read_text(Path::new(path)).map_err(|e| wrong(&format!("it cannot be read: {e}")))?;
    let text = text.trim_end();
    if text.is_empty() { Err(wrong("it is empty: write the secret into it")) } else { Ok(text.into()) }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        let variables = pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Self { variables, ..Self::default() }
    }
}
