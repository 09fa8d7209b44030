//! The settings of a bucket at a provider of the S3 API.

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as Key};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use crate::objects::bucket::folder::shown;
use crate::objects::bucket::http::Http;
use crate::objects::bucket::secrets::{conceal, conceal_some, expose, expose_some};
use server::storage::StorageError;

/// The settings of a bucket at a provider of the S3 API. Contains secrets, also when serialized.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct S3Settings {
    /// The bucket's name.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The provider's URL, scheme and host; `None` is AWS in `region`.
    pub endpoint: Option<String>,
    /// The provider's URL as clients reach it, for presigned URLs; `None` is [`S3Settings::endpoint`].
    #[serde(default)]
    pub public_endpoint: Option<String>,
    /// Whether the bucket is in the path (`https://host/bucket/…`) or before the host (`https://bucket.host/…`).
    pub path_style: bool,
    /// A folder inside the bucket for everything of this hold; may be empty. Slashes at its ends do not count.
    pub prefix: String,
    /// The origin of a public CDN that replaces the store's origin in URLs for reading, such as `https://cdn.example`.
    pub pull_zone: Option<String>,
    /// The credentials of requests.
    pub credentials: Credentials,
    /// The size above which an object is copied in parts, and the size of a part.
    pub copy: CopyLimits,
}

/// The credentials of requests to a bucket.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credentials {
    /// Keys that the operator gave.
    Keys {
        /// The access key's id.
        #[serde(serialize_with = "expose", deserialize_with = "conceal")]
        id: Zeroizing<String>,
        /// The access key's secret.
        #[serde(serialize_with = "expose", deserialize_with = "conceal")]
        secret: Zeroizing<String>,
        /// The session token of temporary keys.
        #[serde(serialize_with = "expose_some", deserialize_with = "conceal_some")]
        session_token: Option<Zeroizing<String>>,
    },
    /// A role that the platform gives the machine or container.
    Role(Role),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Keys { .. } => "Keys",
            Self::Role(_) => "Role",
        })
    }
}

/// The variables by which a platform describes the role. If none is set, the credentials come from the instance's
/// metadata service.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`
    pub container_relative_uri: Option<String>,
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`
    pub container_full_uri: Option<String>,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`
    pub container_token_file: Option<String>,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`
    pub web_identity_token_file: Option<String>,
    /// `AWS_ROLE_ARN`
    pub role_arn: Option<String>,
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT`
    pub metadata_endpoint: Option<String>,
}

/// The size above which an object is copied in parts, and the size of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyLimits {
    /// Size of the largest object that one CopyObject takes, in bytes. S3's own limit is 5 GiB; some providers count 5
    /// GB.
    pub single_max_bytes: u64,
    /// Size of a part of a copy in bytes, from 5 MiB to 5 GB.
    pub part_bytes: u64,
}

impl Default for CopyLimits {
    fn default() -> Self {
        // Parts of 1 GiB are copied within the time limit of a request, and 10,000 of them are enough for any blob.
        Self { single_max_bytes: 5_000_000_000, part_bytes: 1 << 30 }
    }
}

impl CopyLimits {
    /// Returns the limits of the provider at an endpoint: Google copies an object of any size in one request, and
    /// cannot copy a part.
    /// <https://cloud.google.com/storage/docs/xml-api/put-object-copy>
    #[must_use]
    pub fn of(endpoint: Option<&str>) -> Self {
        let host = endpoint.map(|url| url.split("://").last().unwrap_or(url));
        if host.is_some_and(|host| host.split(['/', ':']).next() == Some(GOOGLE)) {
            Self::WHOLE
        } else {
            Self::default()
        }
    }

    /// Every object in one request.
    pub(in crate::objects::bucket) const WHOLE: Self = Self { single_max_bytes: u64::MAX, part_bytes: 1 << 30 };
}

const GOOGLE: &str = "storage.googleapis.com";

impl S3Settings {
    /// Returns the name of the bucket for messages, different for every bucket.
    pub(in crate::objects::bucket) fn name(&self) -> String {
        let at = self.endpoint.as_deref().unwrap_or(&self.region);
        shown("s3", &self.bucket, &self.prefix, at)
    }

    /// Returns the bucket's URL without a trailing slash.
    pub(super) fn bucket_url(&self) -> Result<String, StorageError> {
        self.bucket_url_at(self.endpoint.as_deref())
    }

    /// Returns the bucket's URL as clients reach it; `None` when it is the same.
    pub(super) fn public_bucket_url(&self) -> Result<Option<String>, StorageError> {
        self.public_endpoint.as_deref().map(|endpoint| self.bucket_url_at(Some(endpoint))).transpose()
    }

    fn bucket_url_at(&self, endpoint: Option<&str>) -> Result<String, StorageError> {
        let aws = format!("https://s3.{}.amazonaws.com", self.region);
        let origin = endpoint.unwrap_or(&aws);
        let url = Url::parse(origin).map_err(|_| StorageError::failed("the S3 endpoint is not a URL"))?;
        let origin = url.origin().ascii_serialization();
        let path = url.path().trim_end_matches('/');
        if self.path_style {
            return Ok(format!("{origin}{path}/{}", self.bucket));
        }
        let (scheme, host) = origin.split_once("://").unwrap_or(("https", &origin));
        Ok(format!("{scheme}://{}.{host}{path}", self.bucket))
    }

    pub(super) fn signer(&self, http: &Http, bucket_url: &str) -> Result<AmazonS3, StorageError> {
        // The builder's virtual-hosted style means an endpoint that contains the bucket already.
        let mut builder = AmazonS3Builder::new()
            .with_http_connector(http.clone())
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_endpoint(bucket_url)
            .with_virtual_hosted_style_request(true);
        match &self.credentials {
            Credentials::Keys { id, secret, session_token } => {
                builder = builder.with_access_key_id(id.as_str()).with_secret_access_key(secret.as_str());
                if let Some(token) = session_token {
                    builder = builder.with_token(token.as_str());
                }
            }
            Credentials::Role(role) => {
                let options = [
                    (Key::ContainerCredentialsRelativeUri, &role.container_relative_uri),
                    (Key::ContainerCredentialsFullUri, &role.container_full_uri),
                    (Key::ContainerAuthorizationTokenFile, &role.container_token_file),
                    (Key::WebIdentityTokenFile, &role.web_identity_token_file),
                    (Key::RoleArn, &role.role_arn),
                    (Key::MetadataEndpoint, &role.metadata_endpoint),
                ];
                for (key, value) in options {
                    if let Some(value) = value {
                        builder = builder.with_config(key, value);
                    }
                }
            }
        }
        // The error may contain the key.
        builder.build().map_err(|_| StorageError::failed("the S3 settings do not fit together"))
    }
}
