//! Errors of a configuration, for the operator.

use std::io::ErrorKind;
use std::path::Path;

use figment::error::{Actual, Kind};

use super::Setting;
use super::setting::nearest;

/// One error in a configuration. Its text is one line that names the option, the origin of the value, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl SettingsError {
    /// Returns the error of an option, as [`label`] writes it, whose value came from `origin`.
    pub(super) fn option(label: &str, origin: &str, problem: &str) -> Self {
        Self(format!("{label}: {problem} (from {origin})"))
    }

    pub(super) fn missing(label: &str, example: &str) -> Self {
        Self(format!("{label} is not set: set it, for example to {example}"))
    }

    /// Returns an error in a file.
    #[must_use]
    pub fn file(path: &Path, problem: &str) -> Self {
        Self(format!("{}: {problem}", path.display()))
    }

    /// Checks that there is a regular file at `path`. `context` stands before the problem.
    ///
    /// # Errors
    /// When there is none, or it cannot be reached.
    pub fn unless_file(path: &Path, context: &str) -> Result<(), Self> {
        let problem = match path.metadata() {
            Ok(found) if found.is_file() => return Ok(()),
            Ok(_) => "it is not a regular file".to_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => "there is no such file".to_owned(),
            Err(error) => format!("it cannot be reached: {error}"),
        };
        Err(Self::file(path, &format!("{context}{problem}")))
    }

    /// Converts figment's first error, without the value where that is a secret.
    pub(super) fn from_figment(settings: &[Setting], error: &figment::Error) -> Self {
        let mut path = error.path.clone();
        if matches!(error.kind, Kind::UnknownField(..)) {
            // The last part is the unknown name itself, after that of its table.
            path.pop();
        }
        let option = path.join(".");
        let origin = error.metadata.as_ref().map_or_else(|| "the configuration".to_owned(), origin_name);
        let problem = match &error.kind {
            Kind::UnknownField(field, known) => {
                let table = if option.is_empty() { String::new() } else { format!(" in [{option}]") };
                let hint = match nearest(field, known.iter().copied(), |name| name) {
                    Some(near) => format!("is it \"{near}\"?"),
                    None => "check its spelling".to_owned(),
                };
                return Self(format!("there is no option \"{field}\"{table}: {hint} (from {origin})"));
            }
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) if has_secret(settings, &option) => {
                format!("it must be {}", expected_words(&expected.to_string()))
            }
            Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
                format!("it is {}, but must be {}", found_words(found), expected_words(&expected.to_string()))
            }
            Kind::Message(message) => without_excerpt(message),
            other => other.to_string(),
        };
        match option.as_str() {
            "" => Self(format!("{origin}: {problem}")),
            option => Self::option(&label(settings, option), &origin, &problem),
        }
    }
}

/// What was found, as a file has it.
fn found_words(found: &Actual) -> String {
    match found {
        Actual::Bool(value) => value.to_string(),
        Actual::Unsigned(value) => value.to_string(),
        Actual::Signed(value) => value.to_string(),
        Actual::Float(value) => value.to_string(),
        Actual::Str(text) => format!("{text:?}"),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// What an option takes, without the names of Rust's types.
fn expected_words(expected: &str) -> String {
    match expected {
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        table if table.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}

/// Whether the value of `option` must not be shown: it is a secret, or a table with one.
fn has_secret(settings: &[Setting], option: &str) -> bool {
    settings.iter().any(|setting| setting.name.starts_with(option) && setting.is_secret())
}

/// Returns a TOML parser's message in one line, without the excerpt of the file, which may have a secret.
fn without_excerpt(message: &str) -> String {
    let excerpt =
        |line: &str| line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|');
    message
        .lines()
        .filter(|line| !excerpt(line))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(": ")
}

/// Returns an option with its variable: `public_url (HOLD_PUBLIC_URL)`.
pub(super) fn label(settings: &[Setting], option: &str) -> String {
    let variable = settings.iter().find(|setting| setting.name == option).and_then(|setting| setting.variable);
    match variable {
        Some(variable) => format!("{option} ({variable})"),
        None => option.to_owned(),
    }
}

/// Returns "the environment", ".env", the path of the file, or "the defaults".
pub(super) fn origin_name(metadata: &figment::Metadata) -> String {
    match &metadata.source {
        Some(figment::Source::File(path)) => path.display().to_string(),
        Some(_) => "the defaults".to_owned(),
        None => metadata.name.to_string(),
    }
}
