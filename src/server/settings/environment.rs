//! Environment variables as a layer of configuration.
//!
//! figment's own provider parses values (`S3_BUCKET=0123` would become 123), shows them in errors, and lets an
//! empty variable override the file. Here every value is text, an empty variable is unset, and errors can name
//! the variable.

use std::collections::BTreeMap;
use std::path::Path;

use figment::value::{Dict, Value};

use super::layer::{Layer, insert};
use super::{Setting, SettingKind, SettingsError, dotenv};

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
        match std::fs::read_to_string(path) {
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
        let nearest = |name: &str| {
            let variables = settings.iter().filter_map(|setting| setting.variable);
            let far = |variable: &&str| {
                strsim::damerau_levenshtein(&name[prefix.len()..], variable.trim_start_matches(prefix))
            };
            // A third of its letters wrong is a slip of the hand; more is another word.
            variables.min_by_key(far).filter(|variable| far(variable) <= (name.len() - prefix.len()) / 3)
        };
        unknown.map(|name| (name.as_str(), nearest(name))).collect()
    }

    /// Returns these variables as a layer of configuration, with secrets read from their files.
    pub(super) fn layer(&self, settings: &[Setting], origin: String) -> Result<Layer, SettingsError> {
        let mut values = Dict::new();
        for setting in settings {
            let Some(name) = setting.variable else { continue };
            let text = self.get(name).or_else(|| self.get(setting.alias?));
            let value = match (text, setting.kind) {
                (Some(text), SettingKind::List) => {
                    text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect::<Vec<_>>().into()
                }
                (Some(path), SettingKind::SecretFile) => Value::from(read_secret(path, name)?),
                (Some(text), _) => Value::from(text),
                (None, SettingKind::Secret | SettingKind::SecretFile) => match self.secret_from_file(name)? {
                    Some(text) => Value::from(text),
                    None => continue,
                },
                (None, _) => continue,
            };
            insert(&mut values, setting.name, value);
        }
        Ok(Layer { origin, values })
    }

    fn secret_from_file(&self, name: &str) -> Result<Option<String>, SettingsError> {
        let variable = format!("{name}_FILE");
        if let Some(path) = self.get(&variable) {
            return read_secret(path, &variable).map(Some);
        }
        let Some(directory) = self.get(CREDENTIALS) else { return Ok(None) };
        let path = Path::new(directory).join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim_end().to_owned()).filter(|text| !text.is_empty())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(SettingsError::file(&path, &format!("the credential cannot be read: {e}"))),
        }
    }
}

/// Reads the secret in the file at `path`, which `variable` names.
fn read_secret(path: &str, variable: &str) -> Result<String, SettingsError> {
    let wrong = |problem: &str| SettingsError::file(Path::new(path), &format!("{variable} names it, but {problem}"));
    let text = std::fs::read_to_string(path).map_err(|e| wrong(&format!("it cannot be read: {e}")))?;
    let text = text.trim_end();
    if text.is_empty() { Err(wrong("it is empty: write the secret into it")) } else { Ok(text.into()) }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        let variables = pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Self { variables, ..Self::default() }
    }
}
