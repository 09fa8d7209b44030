//! What an operator reads when the configuration is wrong.

use std::path::Path;

use figment::error::Kind;

use super::environment;

/// One mistake. Its text names the option, where the value came from, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    pub(super) fn option(option: &str, origin: &str, problem: &str) -> Self {
        Self(format!("{}: {problem} (from {origin})", label(option)))
    }

    pub(super) fn missing(option: &str, example: &str) -> Self {
        Self(format!("{} is not set: set it, for example to {example}", label(option)))
    }

    pub(super) fn file(path: &Path, problem: &str) -> Self {
        Self(format!("{}: {problem}", path.display()))
    }

    /// figment's first error, without the value where that is a secret.
    pub(super) fn from_figment(error: figment::Error) -> Self {
        let mut path = error.path.clone();
        if matches!(error.kind, Kind::UnknownField(..)) {
            // Its own name, after that of its table.
            path.pop();
        }
        let option = path.join(".");
        let origin = error.metadata.as_ref().map_or_else(|| "the configuration".to_owned(), origin_name);
        let problem = match &error.kind {
            Kind::UnknownField(field, _) => {
                let table = if option.is_empty() { String::new() } else { format!(" in [{option}]") };
                return Self(format!("there is no option \"{field}\"{table}: check its spelling (from {origin})"));
            }
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) if environment::is_secret(&option) => {
                format!("it must be {expected}")
            }
            Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
                let expected = expected.to_string().replace("a boolean", "true or false");
                format!("it is {found}, but must be {expected}")
            }
            Kind::Message(message) => without_excerpt(message),
            other => other.to_string(),
        };
        if option.is_empty() { Self(format!("{origin}: {problem}")) } else { Self::option(&option, &origin, &problem) }
    }
}

/// A TOML parser's message in one line, without the line of the file that it repeats: it may hold a secret.
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

/// `public_url (HOLD_PUBLIC_URL)`
fn label(option: &str) -> String {
    match environment::variable_of(option) {
        Some(variable) => format!("{option} ({variable})"),
        None => option.to_owned(),
    }
}

/// "the environment", ".env", the path of the file, or "the defaults".
pub(super) fn origin_name(metadata: &figment::Metadata) -> String {
    match &metadata.source {
        Some(figment::Source::File(path)) => path.display().to_string(),
        Some(_) => "the defaults".to_owned(),
        None => metadata.name.to_string(),
    }
}
