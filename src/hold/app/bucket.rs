//! From the configuration of the storage to a place for blobs, and to a bucket that was tried.

use tokio_util::sync::CancellationToken;

use crate::blobs::{self, Place};
use crate::config::{S3, S3Credentials, Storage};
use crate::objects::{Bucket, BucketSettings, CopyLimits, Credentials, ProbeError, Role, S3Settings};
use crate::upkeep::{self, Store};
use server::settings::Secret;
use server::storage::StorageError;

use super::{StartError, now_us};

/// Where the blobs are. A bucket is not asked yet.
///
/// # Errors
/// When the directory is not there, or the settings of the bucket do not fit together.
pub(super) fn place(storage: &Storage) -> Result<Place, StartError> {
    let (settings, presigned) = match storage {
        Storage::Filesystem(root) => {
            blobs::check_root(root)?;
            server::storage::check_writable(root)
                .map_err(|error| blobs::OpenError::Root { path: root.clone(), reason: error.to_string() })?;
            return Ok(Place::Directory(root.clone()));
        }
        Storage::S3(config) => (s3(config), config.presigned_urls),
        #[cfg(feature = "gcs")]
        Storage::Gcs(config) => (google(config), config.presigned_urls),
        #[cfg(feature = "azure")]
        Storage::Azure(config) => (azure(config), config.presigned_urls),
    };
    Ok(Place::Bucket { bucket: Bucket::open(&settings)?, presigned })
}

/// Tries what the hold will need of its bucket, if it has one. `None` when `shutdown` came before: what was put there
/// is swept later.
///
/// # Errors
/// [`StartError::Bucket`], which says what to do.
pub(super) async fn try_out(
    storage: &Storage,
    place: &Place,
    shutdown: &CancellationToken,
) -> Result<Option<()>, StartError> {
    let Place::Bucket { bucket, presigned } = place else { return Ok(Some(())) };
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(StartError::Randomness)?;
    let name = format!("{:016x}", u64::from_be_bytes(random));
    let Some(probed) = shutdown.run_until_cancelled(bucket.probe(&name, now_us)).await.transpose()? else {
        return Ok(None);
    };
    if let Some(seconds) = probed.clock_ahead_s.filter(|seconds| seconds.abs() > WORTH_A_WARNING_S) {
        tracing::warn!(seconds, "the clock of this machine is ahead of the store's (negative: behind): set it");
    }
    tracing::info!(
        %storage,
        presigned,
        refuses_wrong_checksum = probed.refuses_wrong_checksum,
        "the bucket can be used"
    );
    Ok(Some(()))
}

/// The same in the words of those who look after the blobs.
#[must_use]
pub fn storage_of(config: &Storage) -> upkeep::StoreAddress {
    match config {
        Storage::Filesystem(root) => upkeep::StoreAddress::Directory(root.clone()),
        Storage::S3(config) => upkeep::StoreAddress::Bucket(Box::new(s3(config))),
        #[cfg(feature = "gcs")]
        Storage::Gcs(config) => upkeep::StoreAddress::Bucket(Box::new(google(config))),
        #[cfg(feature = "azure")]
        Storage::Azure(config) => upkeep::StoreAddress::Bucket(Box::new(azure(config))),
    }
}

/// The storage of the hold itself, for upkeep: a bucket by the client that `place` has.
///
/// # Errors
/// When the directory cannot be used.
pub(super) async fn store(config: &Storage, place: &Place) -> Result<Store, StartError> {
    match (storage_of(config), place) {
        (upkeep::StoreAddress::Bucket(settings), Place::Bucket { bucket, .. }) => {
            Ok(Store::in_bucket(bucket.clone(), &settings))
        }
        (own, _) => Store::open(&own).await.map_err(|error| match (place, &error) {
            // The system's own words: the line around them says the rest.
            (Place::Directory(root), StorageError::Unavailable(reason) | StorageError::Failed(reason)) => {
                blobs::OpenError::Root { path: root.clone(), reason: reason.to_string() }.into()
            }
            _ => error.into(),
        }),
    }
}

/// URLs for reading are good for 300 s.
const WORTH_A_WARNING_S: i64 = 30;

fn s3(config: &S3) -> BucketSettings {
    let text = |secret: &Secret| secret.expose().to_owned().into();
    let credentials = match &config.credentials {
        S3Credentials::Keys { id, secret, session_token } => {
            Credentials::Keys { id: text(id), secret: text(secret), session_token: session_token.as_ref().map(text) }
        }
        S3Credentials::Role {
            container_relative_uri,
            container_full_uri,
            container_token_file,
            web_identity_token_file,
            role_arn,
            metadata_endpoint,
        } => Credentials::Role(Role {
            container_relative_uri: container_relative_uri.clone(),
            container_full_uri: container_full_uri.clone(),
            container_token_file: container_token_file.clone(),
            web_identity_token_file: web_identity_token_file.clone(),
            role_arn: role_arn.clone(),
            metadata_endpoint: metadata_endpoint.clone(),
        }),
    };
    BucketSettings::S3(S3Settings {
        bucket: config.bucket.clone(),
        region: config.region.clone(),
        endpoint: config.endpoint.clone(),
        path_style: config.path_style,
        prefix: config.prefix.clone(),
        pull_zone: config.pull_zone.clone(),
        credentials,
        copy: CopyLimits::of(config.endpoint.as_deref()),
    })
}

#[cfg(feature = "gcs")]
fn google(config: &crate::config::Gcs) -> BucketSettings {
    BucketSettings::Google(crate::objects::GoogleSettings {
        bucket: config.bucket.clone(),
        service_account: config.service_account.expose().to_owned().into(),
        endpoint: config.endpoint.clone(),
        prefix: config.prefix.clone(),
    })
}

#[cfg(feature = "azure")]
fn azure(config: &crate::config::Azure) -> BucketSettings {
    BucketSettings::Azure(crate::objects::AzureSettings {
        account: config.account.clone(),
        container: config.container.clone(),
        access_key: config.access_key.expose().to_owned().into(),
        endpoint: config.endpoint.clone(),
        prefix: config.prefix.clone(),
    })
}

impl From<ProbeError> for StartError {
    fn from(error: ProbeError) -> Self {
        Self::Bucket(error)
    }
}
