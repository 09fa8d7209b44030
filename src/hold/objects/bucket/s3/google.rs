//! Google Cloud Storage by its XML API, which has S3's requests with other signatures: a bearer token on each request
//! and `GOOG4-RSA-SHA256` in URLs, both made with the key of a service account.
//! <https://cloud.google.com/storage/docs/xml-api/overview>,
//! <https://cloud.google.com/storage/docs/access-control/signed-urls>

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::header::HeaderName;
use object_store::gcp::GoogleCloudStorageBuilder;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::dialect::{Dialect, STEPS};
use super::{CopyLimits, S3};
use crate::objects::bucket::client::{BucketRequests, Client};
use crate::objects::bucket::folder::{folder_of, shown};
use crate::objects::bucket::http::Http;
use crate::objects::bucket::probe_plan::{Advice, ProbePlan};
use crate::objects::bucket::secrets::{conceal, expose};
use crate::objects::bucket::signer::Signer;
use server::storage::StorageError;

/// The settings of a bucket of Google Cloud Storage. Contains the account's key, also when serialized.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoogleSettings {
    /// The bucket's name.
    pub bucket: String,
    /// The JSON of the service account's key, as Google hands it out.
    #[serde(serialize_with = "expose", deserialize_with = "conceal")]
    pub service_account: Zeroizing<String>,
    /// The store's URL; `None` is `https://storage.googleapis.com`. URLs are signed for Google's own host in either
    /// case.
    pub endpoint: Option<String>,
    /// A folder inside the bucket for everything of this hold; may be empty. Slashes at its ends do not count.
    pub prefix: String,
}

impl std::fmt::Debug for GoogleSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

impl GoogleSettings {
    /// Returns the name of the bucket for messages, different for every bucket.
    pub(in crate::objects::bucket) fn name(&self) -> String {
        shown("gs", &self.bucket, &self.prefix, self.origin())
    }

    fn origin(&self) -> &str {
        self.endpoint.as_deref().unwrap_or("https://storage.googleapis.com").trim_end_matches('/')
    }
}

impl S3 {
    pub(in crate::objects::bucket) fn open_google(settings: &GoogleSettings) -> Result<Self, StorageError> {
        let http = Http::new().map_err(|error| StorageError::Failed(error.into()))?;
        let store = GoogleCloudStorageBuilder::new()
            .with_http_connector(http.clone())
            .with_bucket_name(&settings.bucket)
            .with_base_url(settings.origin())
            .with_service_account_key(settings.service_account.as_str())
            .build()
            // The error may show the key.
            .map_err(|_| StorageError::failed("the key of the service account is not Google's JSON with an RSA key"))?;
        let client = Client {
            url_signer: None,
            signer: Signer::Google(store),
            http,
            bucket_url: format!("{}/{}", settings.origin(), settings.bucket),
            bucket: settings.bucket.clone(),
            prefix: folder_of(&settings.prefix),
            requests: BucketRequests::default(),
        };
        Ok(Self {
            client: Arc::new(client),
            pull_zone: None,
            copy: CopyLimits::WHOLE,
            dialect: &DIALECT,
            // Google has no request to remove many objects that takes a bearer token.
            removes_singly: AtomicBool::new(true),
        })
    }
}

static DIALECT: Dialect = Dialect {
    copy_source: HeaderName::from_static("x-goog-copy-source"),
    copy_root: "",
    copy_source_if_match: HeaderName::from_static("x-goog-copy-source-if-match"),
    probe: ProbePlan {
        // The MD5 of nothing, in base64.
        wrong_checksum: (HeaderName::from_static("x-goog-hash"), "md5=1B2M2Y8AsgTpgAmY7PhCfg=="),
        steps: STEPS,
        advice: ADVICE,
    },
};

const ADVICE: Advice = Advice {
    store: "Google store",
    address: "GCS_ENDPOINT",
    all: "GCS_BUCKET and GCS_ENDPOINT",
    elsewhere: "GCS_ENDPOINT",
    credentials: "check the key that GOOGLE_APPLICATION_CREDENTIALS names",
    not_allowed: "correct GCS_BUCKET or the key of the service account, or give the account the role Storage Object User \
                  (roles/storage.objectUser) on the bucket",
    by_code: &[
        ("NoSuchBucket", "create the bucket, or correct GCS_BUCKET"),
        ("SignatureDoesNotMatch", "renew the key that GOOGLE_APPLICATION_CREDENTIALS names"),
        (
            "InvalidToken",
            "renew the key that GOOGLE_APPLICATION_CREDENTIALS names, and check the clock of this machine",
        ),
    ],
};
