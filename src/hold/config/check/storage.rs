//! Checks the storage of the blobs: a directory, an S3 bucket of any provider, or a bucket of Google or Azure.

use std::path::Path;

use server::settings::{Secret, SettingsError, Sources, Values};
use url::Url;
use zeroize::Zeroizing;

use super::super::Config;
use super::super::options::OPTIONS;
use super::super::raw;
use super::{Checker, PREFIX, fill_driver};
use crate::objects::{BucketSettings, CopyLimits, Credentials, Location, Presigned, Role, S3Settings};

const PUBLIC_ENDPOINT: &str = "storage.s3.public_endpoint (S3_PUBLIC_ENDPOINT)";

impl Config {
    /// Returns the storage that a configuration file describes. The environment and the file's other tables are
    /// ignored.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn storage_of(path: &Path) -> Result<Location, SettingsError> {
        SettingsError::unless_file(path, "")?;
        let file = Sources { file: Some(path.to_owned()), ..Sources::default() };
        let mut values = Values::load(OPTIONS, PREFIX, &file)?;
        fill_driver(&mut values);
        let raw = values.extract()?;
        Checker { values: &values, raw: &raw }.storage()
    }
}

impl Checker<'_> {
    pub(super) fn storage(&self) -> Result<Location, SettingsError> {
        let settings = match self.raw.storage.driver.as_deref() {
            Some("filesystem") => {
                let root = self.raw.storage.root_dir.as_deref();
                let root = self.values.required("storage.root_dir", root, "/var/lib/atcr-hold/blobs")?;
                return Ok(Location::Directory(root.into()));
            }
            Some("s3") => BucketSettings::S3(self.s3(&self.raw.storage.s3)?),
            #[cfg(feature = "gcs")]
            Some("gcs") => BucketSettings::Google(self.gcs(&self.raw.storage.gcs)?),
            #[cfg(feature = "azure")]
            Some("azure") => BucketSettings::Azure(self.azure(&self.raw.storage.azure)?),
            #[cfg(not(feature = "gcs"))]
            Some("gcs") => return Err(self.absent("gcs")),
            #[cfg(not(feature = "azure"))]
            Some("azure") => return Err(self.absent("azure")),
            _ => return Err(self.wrong("storage.driver", "it must be filesystem, s3, gcs or azure")),
        };
        Ok(Location::Bucket(Box::new(settings)))
    }

    /// Returns the requests for which clients get presigned URLs: from `storage.presigned`, or the older
    /// `storage.disable_presigned_urls`.
    pub(super) fn presigned(&self) -> Result<Presigned, SettingsError> {
        const OPTION: &str = "storage.presigned";
        let storage = &self.raw.storage;
        let Some(word) = storage.presigned.as_deref().filter(|word| !word.is_empty()) else {
            return Ok(if storage.disable_presigned_urls { Presigned::None } else { Presigned::All });
        };
        match Presigned::parse(word) {
            Some(Presigned::All | Presigned::Downloads) if storage.disable_presigned_urls => Err(self.wrong(
                OPTION,
                "storage.disable_presigned_urls (DISABLE_PRESIGNED_URLS) is true, which means \"none\": remove one of the two",
            )),
            Some(presigned) => Ok(presigned),
            None => Err(self.wrong(OPTION, "it must be all, downloads or none")),
        }
    }

    /// Refuses an option that needs presigned URLs, when these are disabled.
    fn require_presigned(&self, option: &str) -> Result<(), SettingsError> {
        if self.presigned()? != Presigned::None {
            return Ok(());
        }
        let by =
            if self.raw.storage.disable_presigned_urls { "disable_presigned_urls" } else { "presigned = \"none\"" };
        Err(self.wrong(option, &format!("it is for presigned URLs: remove it, or storage.{by}")))
    }

    /// Returns the error of a driver that is not compiled in.
    #[cfg(not(all(feature = "gcs", feature = "azure")))]
    fn absent(&self, driver: &str) -> SettingsError {
        let problem =
            format!("driver {driver} is not compiled in: build with `cargo build --release --features {driver}`");
        self.wrong("storage.driver", &problem)
    }

    fn s3(&self, raw: &raw::S3) -> Result<S3Settings, SettingsError> {
        let bucket =
            self.values.required("storage.s3.bucket", raw.bucket.as_deref(), "my-blobs, the name of your bucket")?;
        self.plain("storage.s3.bucket", bucket, "a bucket's name has letters, digits, dots and hyphens", b".-_")?;
        let region = self.values.required("storage.s3.region", Some(&raw.region), "us-east-1")?;
        self.plain("storage.s3.region", region, "a region is a word like us-east-1, auto or garage", b"-_")?;
        let endpoint = raw.endpoint.as_deref().filter(|text| !text.is_empty());
        let endpoint = endpoint.map(|text| self.endpoint("storage.s3.endpoint", text)).transpose()?;
        let pull_zone = raw.pull_zone.as_deref().filter(|text| !text.is_empty());
        // A provider other than AWS seldom has host names for each bucket, and AWS has no certificate for a bucket with
        // dots.
        let path_style = raw.force_path_style.unwrap_or(endpoint.is_some() || bucket.contains('.'));
        let public_endpoint = self.public_endpoint(raw)?;
        for (option, at) in [("storage.s3.endpoint (S3_ENDPOINT)", &endpoint), (PUBLIC_ENDPOINT, &public_endpoint)] {
            if let Some(address) = at.as_deref().filter(|_| !path_style).and_then(ip_address) {
                let problem = format!(
                    "it is false, so that requests go to the host {bucket}.{address}, but {option} has an IP address, before \
                     which no bucket's name can stand: set it to true or remove it, or name the store by a host name"
                );
                return Err(self.wrong("storage.s3.force_path_style", &problem));
            }
        }
        Ok(S3Settings {
            copy: CopyLimits::of(endpoint.as_deref()),
            public_endpoint,
            bucket: bucket.to_owned(),
            region: region.to_owned(),
            path_style,
            endpoint,
            prefix: self.prefix("storage.s3.prefix", &raw.prefix)?,
            pull_zone: pull_zone.map(|zone| self.pull_zone(zone)).transpose()?,
            credentials: self.credentials(raw)?,
        })
    }

    /// Refuses a text with other characters than letters, digits and `others`.
    pub(super) fn plain(&self, option: &str, text: &str, rule: &str, others: &[u8]) -> Result<(), SettingsError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || others.contains(&byte);
        if text.bytes().all(allowed) { Ok(()) } else { Err(self.wrong(option, rule)) }
    }

    /// Checks the URL of an endpoint, which may have a path, as some providers need, but no query or fragment.
    pub(super) fn endpoint(&self, option: &str, text: &str) -> Result<String, SettingsError> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let plain = url.filter(|url| url.as_str() == format!("{}{}", url.origin().ascii_serialization(), url.path()));
        match plain {
            Some(url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
            None => Err(self.wrong(option, "it must be like https://s3.example.org, without the bucket")),
        }
    }

    fn public_endpoint(&self, raw: &raw::S3) -> Result<Option<String>, SettingsError> {
        const OPTION: &str = "storage.s3.public_endpoint";
        let Some(text) = raw.public_endpoint.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        self.require_presigned(OPTION)?;
        self.endpoint(OPTION, text).map(Some)
    }

    fn pull_zone(&self, text: &str) -> Result<String, SettingsError> {
        const OPTION: &str = "storage.s3.pull_zone";
        self.require_presigned(OPTION)?;
        // Providers show the host alone.
        let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let origin = url.as_ref().map(|url| url.origin().ascii_serialization());
        match (url, origin) {
            (Some(url), Some(origin)) if url.as_str() == format!("{origin}/") => Ok(origin),
            _ => Err(self.wrong(OPTION, "it must be the host of the CDN, like cdn.example.org")),
        }
    }

    pub(super) fn prefix(&self, option: &str, text: &str) -> Result<String, SettingsError> {
        let prefix = text.trim_matches('/');
        self.plain(option, prefix, "a folder of the bucket has letters, digits, and . - _ / between them", b".-_/")?;
        let is_folder = |segment: &str| !matches!(segment, "" | "." | "..");
        if prefix.is_empty() || prefix.split('/').all(is_folder) {
            return Ok(prefix.to_owned());
        }
        Err(self.wrong(option, "it must be a folder of the bucket, like holds/first"))
    }

    fn credentials(&self, raw: &raw::S3) -> Result<Credentials, SettingsError> {
        let given = |secret: &Option<Secret>| secret.clone().filter(|secret| !secret.expose().is_empty());
        let session_token = given(&raw.session_token);
        let keys = [
            ("storage.s3.access_key_id", given(&raw.access_key_id)),
            ("storage.s3.secret_access_key", given(&raw.secret_access_key)),
            ("storage.s3.session_token", session_token.clone()),
        ];
        for (option, secret) in &keys {
            // Keys are sent in headers, where a line break would end one.
            if secret.as_ref().is_some_and(|secret| !secret.expose().bytes().all(|byte| byte.is_ascii_graphic())) {
                return Err(self.wrong(option, "it has a space or another character that no key has"));
            }
        }
        let [(_, id), (_, secret), _] = keys;
        match (id, secret) {
            (Some(id), Some(secret)) => Ok(Credentials::Keys {
                id: text(&id),
                secret: text(&secret),
                session_token: session_token.as_ref().map(text),
            }),
            (Some(_), None) => Err(self.wrong("storage.s3.access_key_id", &alone("storage.s3.secret_access_key"))),
            (None, Some(_)) => Err(self.wrong("storage.s3.secret_access_key", &alone("storage.s3.access_key_id"))),
            (None, None) if session_token.is_some() => {
                Err(self.wrong("storage.s3.session_token", &alone("storage.s3.access_key_id")))
            }
            (None, None) => Ok(Credentials::Role(Role {
                container_relative_uri: raw.container_credentials_relative_uri.clone(),
                container_full_uri: raw.container_credentials_full_uri.clone(),
                container_token_file: raw.container_authorization_token_file.clone(),
                web_identity_token_file: raw.web_identity_token_file.clone(),
                role_arn: raw.role_arn.clone(),
                metadata_endpoint: raw.ec2_metadata_service_endpoint.clone(),
            })),
        }
    }
}

fn alone(missing: &str) -> String {
    format!("it is of no use without {missing}: set both, or neither where the machine has a role")
}

fn text(secret: &Secret) -> Zeroizing<String> {
    secret.expose().to_owned().into()
}

/// Returns the IP address of a URL, as it stands there; `None` with a host name.
fn ip_address(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host().filter(|host| !matches!(host, url::Host::Domain(_)));
    host.map(|host| host.to_string())
}
