//! The sources of a configuration.

use std::path::{Path, PathBuf};

use super::environment::CREDENTIALS;
use super::{Environment, Setting, SettingsError};

/// The name of the credential that is a file of variables.
const DOTENV: &str = ".env";

/// The sources of a configuration.
#[derive(Clone, Default)]
pub struct Sources {
    /// A TOML file, which must exist.
    pub file: Option<PathBuf>,
    /// A file of variables, which must exist. Where none is named, `.env` among systemd's credentials is read, when it
    /// is there.
    pub env_file: Option<PathBuf>,
    /// A file of variables that may exist, like `.env` in the working directory. It is read only when no file is named:
    /// a command with a named file may run in the directory of another project.
    pub dotenv: PathBuf,
    /// The environment.
    pub environment: Environment,
}

/// The variables of a file, and its name in errors.
pub(super) struct Variables {
    pub(super) environment: Environment,
    pub(super) origin: String,
}

impl Sources {
    /// Returns sources with the environment alone.
    #[must_use]
    pub fn of_environment(environment: Environment) -> Self {
        Self { environment, ..Self::default() }
    }

    /// Reads the file of variables that applies.
    pub(super) fn variables(&self) -> Result<Option<Variables>, SettingsError> {
        if let Some(path) = &self.env_file {
            let missing = || SettingsError::file(path, "--env-file names it, but there is no such file");
            let environment = Environment::of_file(path)?.ok_or_else(missing)?;
            return Ok(Some(Variables { environment, origin: path.display().to_string() }));
        }
        if let Some(path) = self.credential()
            && let Some(environment) = Environment::of_file(&path)?
        {
            return Ok(Some(Variables { environment, origin: path.display().to_string() }));
        }
        if self.file.is_some() || self.dotenv == Path::new("") {
            return Ok(None);
        }
        let environment = Environment::of_file(&self.dotenv)?;
        Ok(environment.map(|environment| Variables { environment, origin: ".env".to_owned() }))
    }

    /// Returns the path of the file of variables among the unit's credentials: the author of the unit chose it.
    fn credential(&self) -> Option<PathBuf> {
        self.environment.get(CREDENTIALS).map(|directory| Path::new(directory).join(DOTENV))
    }

    /// Returns the warning that the file of variables in the working directory is not read, if it sets an option.
    pub(super) fn ignored(&self, settings: &[Setting]) -> Option<String> {
        if self.file.is_none() || self.env_file.is_some() || self.dotenv == Path::new("") {
            return None;
        }
        let sets_any = Environment::of_file(&self.dotenv).ok().flatten().is_some_and(|found| found.sets_any(settings));
        sets_any.then(|| {
            format!(
                "{} is not read, because --config names a file: if it belongs to this configuration, name it with \
                 --env-file",
                self.dotenv.display()
            )
        })
    }
}
