//! The merged layers: the value of each option, and its origin.

use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::DeserializeOwned;

use super::error::{label, origin_name};
use super::layer::{Layer, insert, remove};
use super::{Default, Reload, Setting, SettingKind, SettingsError, Sources};

/// The values of all options.
#[derive(Clone)]
pub struct Values {
    settings: &'static [Setting],
    figment: Figment,
    warnings: Vec<String>,
}

impl Values {
    /// Merges the layers: the table's defaults < TOML file < file of variables < environment. Variables that begin with
    /// `prefix` and belong to no option become warnings.
    ///
    /// # Errors
    /// When a file cannot be read; an error in a value comes later, from [`Values::extract`].
    pub fn load(settings: &'static [Setting], prefix: &str, sources: &Sources) -> Result<Self, SettingsError> {
        let mut figment = Figment::from(defaults(settings)?);
        if let Some(path) = &sources.file {
            SettingsError::unless_file(path, "--config names it, but ")?;
            figment = figment.merge(TomlFile { toml: Toml::file_exact(path), settings });
        }
        let mut warnings: Vec<_> = sources.ignored(settings).into_iter().collect();
        let variables = sources.variables()?;
        let named = variables.as_ref().map(|file| (&file.environment, file.origin.clone()));
        for (environment, origin) in named.into_iter().chain([(&sources.environment, "the environment".to_owned())]) {
            let unknown = environment.unknown(prefix, settings).into_iter();
            warnings.extend(unknown.map(|(name, nearest)| {
                let hint = match nearest {
                    Some(nearest) => format!("is it {nearest}?"),
                    None => "`manual configuration` has the names".to_owned(),
                };
                format!("{name} (from {origin}) is no variable of this program, and is ignored: {hint}")
            }));
            let unreadable = environment.unreadable(settings);
            warnings.extend(unreadable.map(|name| format!("{name} (from {origin}) is not UTF-8, and is ignored")));
            for layer in environment.layers(settings, origin)? {
                figment = figment.merge(layer);
            }
        }
        Ok(Self { settings, figment, warnings })
    }

    /// Returns the warnings: values and variables that are allowed, but probably not meant. Each is one line.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Adds the warning that `test_mode` is on in a program that others reach.
    pub fn warn_of_test_mode(&mut self) {
        self.warn(
            "test_mode (TEST_MODE) is true, and others reach this program: they can make it send requests by plain http \
             and to this machine; it is for tests only"
                .to_owned(),
        );
    }

    /// Adds a warning.
    pub fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Sets `option` to `value` if nothing sets it: a default derived from other options.
    pub fn fill(&mut self, option: &str, value: impl FnOnce(&Self) -> String) {
        if self.text(option).is_none() {
            let mut values = Dict::new();
            insert(&mut values, option, value(self).into());
            let layer = Layer { origin: "the defaults".into(), values };
            self.figment = std::mem::take(&mut self.figment).join(layer);
        }
    }

    /// Returns the text of an option, if it is set.
    #[must_use]
    pub fn text(&self, option: &str) -> Option<String> {
        self.figment.find_value(option).ok().and_then(Value::into_string)
    }

    /// Converts the values to the type that has a field for each option.
    ///
    /// # Errors
    /// The error of the first option that is unknown, or of another kind than its field.
    pub fn extract<T: DeserializeOwned>(&self) -> Result<T, SettingsError> {
        self.figment.extract_lossy().map_err(|error| SettingsError::from_figment(self.settings, &error))
    }

    /// Returns the error of an invalid value of `option`.
    #[must_use]
    pub fn wrong(&self, option: &str, problem: &str) -> SettingsError {
        self.wrong_within(option, option, problem)
    }

    /// Returns the error of an invalid value of `option`, which is in the table `root`.
    #[must_use]
    pub fn wrong_within(&self, root: &str, option: &str, problem: &str) -> SettingsError {
        let origin = self.figment.find_metadata(root).map_or_else(|| "the configuration".into(), origin_name);
        SettingsError::option(&label(self.settings, option), &origin, problem)
    }

    /// Returns the error that `option` is not set.
    #[must_use]
    pub fn missing(&self, option: &str, example: &str) -> SettingsError {
        SettingsError::missing(&label(self.settings, option), example)
    }

    /// Returns the values after a reload of `new` by a daemon that runs with these: the new values of all options that
    /// can change at a reload, and these of all others.
    ///
    /// # Errors
    /// When the values cannot be read, which they could be before.
    pub fn followed(&self, new: &Self) -> Result<Self, SettingsError> {
        let data = |values: &Self| -> Result<Dict, SettingsError> { values.extract() };
        let (running, mut next) = (data(self)?, data(new)?);
        for root in self.roots(Reload::Restart) {
            remove(&mut next, root);
            if let Some(value) = Value::Dict(Tag::Default, running.clone()).find(root) {
                insert(&mut next, root, value);
            }
        }
        let layer = Layer { origin: "the configuration".into(), values: next };
        Ok(Self { settings: self.settings, figment: Figment::from(layer), warnings: new.warnings.clone() })
    }

    /// Returns the options whose values differ in `new`, and take effect only after a restart.
    #[must_use]
    pub fn waiting_for_restart(&self, new: &Self) -> Vec<&'static str> {
        let at = |values: &Self, setting: &Setting| {
            let value = values.figment.find_value(setting.root()).ok()?;
            Some(match setting.kind {
                // A variable has text where a file has a typed value.
                SettingKind::Flag => value.to_bool_lossy().map_or(value, Value::from),
                SettingKind::Number => value.to_num_lossy().map_or(value, Value::from),
                _ => value,
            })
        };
        let fixed = self.settings.iter().filter(|setting| setting.reload == Reload::Restart);
        let mut names: Vec<_> = fixed.filter(|it| at(self, it) != at(new, it)).map(Setting::root).collect();
        names.dedup();
        names
    }

    /// Returns the roots of the names of all options with this `reload`, each once.
    fn roots(&self, reload: Reload) -> Vec<&'static str> {
        let mut roots: Vec<_> = self.settings.iter().filter(|it| it.reload == reload).map(Setting::root).collect();
        roots.dedup();
        roots
    }
}

impl std::fmt::Debug for Values {
    /// Shows nothing of the values: some are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Values").finish_non_exhaustive()
    }
}

/// A TOML file in which options may have their old names.
struct TomlFile {
    toml: figment::providers::Data<Toml>,
    settings: &'static [Setting],
}

impl Provider for TomlFile {
    fn metadata(&self) -> Metadata {
        self.toml.metadata()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut data = self.toml.data()?;
        for values in data.values_mut() {
            for (setting, old) in self.settings.iter().filter_map(|it| Some((it, it.old_name?))) {
                let Some(value) = remove(values, old) else { continue };
                if Value::Dict(Tag::Default, values.clone()).find(setting.name).is_none() {
                    insert(values, setting.name, value);
                }
            }
        }
        Ok(data)
    }
}

/// Returns the defaults of the table as a layer.
fn defaults(settings: &[Setting]) -> Result<Layer, SettingsError> {
    let mut values = Dict::new();
    for setting in settings {
        let Default::Toml(text) = setting.default else { continue };
        let parsed = Toml::from_str::<Dict>(&format!("it = {text}"));
        let mut parsed =
            parsed.map_err(|error| SettingsError::option(setting.name, "the defaults", error.message()))?;
        if let Some(value) = parsed.remove("it") {
            insert(&mut values, setting.name, value);
        }
    }
    Ok(Layer { origin: "the defaults".into(), values })
}
