//! The environment as a configuration layer, with exactly the names of the original hold.
//!
//! figment's own provider parses values (`S3_BUCKET=0123` would become 123), shows them in errors, and lets an
//! empty variable override the file. Here every value is text, an empty variable is unset, and errors can name
//! the variable. <https://atcr.io>

use std::collections::BTreeMap;
use std::path::Path;

use figment::value::{Dict, Map, Tag, Value};
use figment::{Metadata, Profile, Provider};

use super::ConfigError;

/// Variable, option path, and whether the value is a secret (which may also come from `<NAME>_FILE` or a
/// systemd credential of the same name).
const NAMES: [(&str, &str, Kind); 44] = [
    ("HOLD_PUBLIC_URL", "public_url", Kind::Text),
    ("HOLD_OWNER", "owner", Kind::Text),
    ("HOLD_PUBLIC", "public", Kind::Text),
    ("HOLD_ALLOW_ALL_CREW", "allow_all_crew", Kind::Text),
    ("HOLD_SUCCESSOR", "successor", Kind::Text),
    ("HOLD_SERVER_ADDR", "server.addr", Kind::Text),
    ("HOLD_DATABASE_PATH", "database.path", Kind::Text),
    ("HOLD_SIGNING_KEY", "database.signing_key", Kind::Secret),
    ("HOLD_DATABASE_KEY_PATH", "database.key_path", Kind::Text),
    ("HOLD_ADMIN_SOCKET", "admin.socket", Kind::Text),
    ("HOLD_METRICS_ADDR", "metrics.addr", Kind::Text),
    ("HOLD_PLC_DIRECTORY_URL", "identity.plc_url", Kind::Text),
    ("HOLD_RELAYS", "relays", Kind::List),
    ("HOLD_PROFILE_DISPLAY_NAME", "profile.display_name", Kind::Text),
    ("HOLD_PROFILE_DESCRIPTION", "profile.description", Kind::Text),
    ("HOLD_PROFILE_AVATAR", "profile.avatar", Kind::Text),
    ("STORAGE_DRIVER", "storage.driver", Kind::Text),
    ("STORAGE_ROOT_DIR", "storage.root_dir", Kind::Text),
    ("S3_BUCKET", "storage.s3.bucket", Kind::Text),
    ("S3_ENDPOINT", "storage.s3.endpoint", Kind::Text),
    ("S3_FORCE_PATH_STYLE", "storage.s3.force_path_style", Kind::Text),
    ("S3_PREFIX", "storage.s3.prefix", Kind::Text),
    ("S3_PULL_ZONE", "storage.s3.pull_zone", Kind::Text),
    ("AWS_REGION", "storage.s3.region", Kind::Text),
    ("AWS_ACCESS_KEY_ID", "storage.s3.access_key_id", Kind::Secret),
    ("AWS_SECRET_ACCESS_KEY", "storage.s3.secret_access_key", Kind::Secret),
    ("AWS_SESSION_TOKEN", "storage.s3.session_token", Kind::Secret),
    // What the cloud sets for a program that has a role.
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "storage.s3.container_credentials_relative_uri", Kind::Text),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "storage.s3.container_credentials_full_uri", Kind::Text),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "storage.s3.container_authorization_token_file", Kind::Text),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "storage.s3.web_identity_token_file", Kind::Text),
    ("AWS_ROLE_ARN", "storage.s3.role_arn", Kind::Text),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "storage.s3.ec2_metadata_service_endpoint", Kind::Text),
    ("GCS_BUCKET", "storage.gcs.bucket", Kind::Text),
    ("GOOGLE_APPLICATION_CREDENTIALS", "storage.gcs.service_account", Kind::SecretFile),
    ("GCS_ENDPOINT", "storage.gcs.endpoint", Kind::Text),
    ("GCS_PREFIX", "storage.gcs.prefix", Kind::Text),
    ("AZURE_STORAGE_ACCOUNT_NAME", "storage.azure.account", Kind::Text),
    ("AZURE_STORAGE_ACCOUNT_KEY", "storage.azure.access_key", Kind::Secret),
    ("AZURE_STORAGE_CONTAINER_NAME", "storage.azure.container", Kind::Text),
    ("AZURE_STORAGE_ENDPOINT", "storage.azure.endpoint", Kind::Text),
    ("AZURE_STORAGE_PREFIX", "storage.azure.prefix", Kind::Text),
    ("DISABLE_PRESIGNED_URLS", "storage.s3.disable_presigned_urls", Kind::Text),
    ("TEST_MODE", "test_mode", Kind::Text),
];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    List,
    Secret,
    /// The path of a file with a secret in it; without the variable a systemd credential of its name.
    SecretFile,
}

/// The variables the hold may look at: the process's own, or a test's.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of this process. Variables that are not UTF-8 are left out.
    #[must_use]
    pub fn of_process() -> Self {
        Self(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect())
    }

    /// A variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Reads a `.env` file; an absent one is empty.
    pub(super) fn of_file(path: &Path) -> Result<Self, ConfigError> {
        let wrong = |e: dotenvy::Error| match e {
            dotenvy::Error::Io(e) => ConfigError::file(path, &format!("it cannot be read: {e}")),
            // The library's error would repeat the line, which may hold a secret.
            _ => ConfigError::file(path, "it has a line that is not NAME=value"),
        };
        match dotenvy::from_path_iter(path) {
            Ok(lines) => lines.collect::<Result<_, _>>().map(Self).map_err(wrong),
            Err(e) if e.not_found() => Ok(Self::default()),
            Err(e) => Err(wrong(e)),
        }
    }

    /// This environment as a layer, secrets read from their files.
    pub(super) fn layer(&self, origin: &'static str) -> Result<Layer, ConfigError> {
        let mut values = Dict::new();
        for (name, path, kind) in NAMES {
            let value = match (self.get(name), kind) {
                (Some(text), Kind::List) => {
                    text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect::<Vec<_>>().into()
                }
                (Some(path), Kind::SecretFile) => Value::from(read_secret(path, name)?),
                (Some(text), _) => Value::from(text),
                (None, Kind::Secret | Kind::SecretFile) => match self.secret_from_file(name)? {
                    Some(text) => Value::from(text),
                    None => continue,
                },
                (None, _) => continue,
            };
            insert(&mut values, path, value);
        }
        Ok(Layer { origin, values })
    }

    fn secret_from_file(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let variable = format!("{name}_FILE");
        if let Some(path) = self.get(&variable) {
            return read_secret(path, &variable).map(Some);
        }
        let Some(directory) = self.get("CREDENTIALS_DIRECTORY") else { return Ok(None) };
        let path = Path::new(directory).join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim_end().to_owned()).filter(|text| !text.is_empty())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(ConfigError::file(&path, &format!("the credential cannot be read: {e}"))),
        }
    }
}

/// The secret in the file that a variable names.
fn read_secret(path: &str, variable: &str) -> Result<String, ConfigError> {
    let wrong = |problem: &str| ConfigError::file(Path::new(path), &format!("{variable} names it, but {problem}"));
    let text = std::fs::read_to_string(path).map_err(|e| wrong(&format!("it cannot be read: {e}")))?;
    let text = text.trim_end();
    if text.is_empty() { Err(wrong("it is empty: write the secret into it")) } else { Ok(text.into()) }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }
}

/// The variable that sets an option, for error messages.
pub(super) fn variable_of(option: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|(_, path, _)| *path == option).map(|(name, ..)| name)
}

/// Whether what stands in the place of an option must not be shown: it is a secret, or a table of some.
pub(super) fn is_secret(option: &str) -> bool {
    NAMES.into_iter().any(|(_, path, kind)| path.starts_with(option) && kind == Kind::Secret)
}

pub(super) struct Layer {
    origin: &'static str,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

fn insert(values: &mut Dict, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            values.insert(path.into(), value);
        }
        Some((table, rest)) => {
            let entry = values.entry(table.into()).or_insert_with(|| Value::Dict(Tag::Default, Dict::new()));
            if let Value::Dict(_, inner) = entry {
                insert(inner, rest, value);
            }
        }
    }
}
