//! Opens the storage of the blobs, and probes the bucket.

use tokio_util::sync::CancellationToken;

use crate::blobs::{self, BlobPlace, random_hex};
use crate::config::Config;
use crate::objects::{Bucket, Location, Presigned, ProbeError};
use crate::upkeep::Store;
use server::storage::StorageError;

use super::{StartError, now_us};

/// The difference of clocks above which a warning is logged, in seconds: URLs for reading are valid for 300 s.
const CLOCK_WARNING_S: i64 = 30;

/// Opens the storage of the blobs. No request is sent to a bucket yet.
///
/// # Errors
/// When the directory is missing or not writable, or the settings of the bucket are inconsistent.
pub(super) fn place(config: &Config) -> Result<BlobPlace, StartError> {
    match &config.storage {
        Location::Directory(root) => {
            blobs::check_root(root)?;
            server::storage::check_writable(root)
                .map_err(|error| blobs::OpenBlobsError::Root { path: root.clone(), reason: error.to_string() })?;
            Ok(BlobPlace::Directory(root.clone()))
        }
        Location::Bucket(settings) => {
            Ok(BlobPlace::Bucket { bucket: Bucket::open(settings)?, presigned: config.presigned })
        }
    }
}

/// Probes the bucket, if the hold has one, for all that the hold will need. Returns `None` when `shutdown` was
/// cancelled first: the probe's objects are swept later.
///
/// # Errors
/// [`StartError::Bucket`], with the remedy.
pub(super) async fn try_out(
    config: &Config,
    place: &BlobPlace,
    shutdown: &CancellationToken,
) -> Result<Option<()>, StartError> {
    let BlobPlace::Bucket { bucket, presigned } = place else { return Ok(Some(())) };
    let name = random_hex::<8>()?;
    let Some(probed) = shutdown.run_until_cancelled(bucket.probe(&name, now_us)).await.transpose()? else {
        return Ok(None);
    };
    if let Some(seconds) = probed.clock_ahead_s.filter(|seconds| seconds.abs() > CLOCK_WARNING_S) {
        tracing::warn!(seconds, "the clock of this machine is ahead of the store's (negative: behind): set it");
    }
    warn_of_address(config, *presigned);
    if probed.keeps_versions {
        tracing::warn!(
            "the bucket keeps versions: what the hold removes takes room for ever, unless a lifecycle rule of the bucket \
             expires noncurrent versions (NoncurrentVersionExpiration, 1 day) and expired delete markers"
        );
    }
    tracing::info!(
        storage = %config.storage,
        %presigned,
        refuses_wrong_checksum = probed.refuses_wrong_checksum,
        "the bucket can be used"
    );
    Ok(Some(()))
}

/// Warns of a store that clients may not reach: they would fail at their first part, and the hold would not notice.
fn warn_of_address(config: &Config, presigned: Presigned) {
    let Location::Bucket(settings) = &config.storage else { return };
    let is_public = config.public_url.as_str().starts_with("https://");
    if let Some(why) = settings.unreachable_for_clients().filter(|_| presigned.signs_reads() && is_public) {
        tracing::warn!(
            storage = %config.storage, why,
            "clients are sent to a store that they may not reach: set storage.s3.public_endpoint (S3_PUBLIC_ENDPOINT) to \
             its public address, or storage.presigned (STORAGE_PRESIGNED) to none"
        );
    }
}

/// Opens the storage for upkeep: a bucket with the client of `place`.
///
/// # Errors
/// When the directory cannot be used.
pub(super) async fn store(location: &Location, place: &BlobPlace) -> Result<Store, StartError> {
    match (location, place) {
        (Location::Bucket(settings), BlobPlace::Bucket { bucket, .. }) => {
            Ok(Store::in_bucket(bucket.clone(), settings))
        }
        (own, _) => Store::open(own).await.map_err(|error| match (place, &error) {
            // The system's own message: the line around it has the rest.
            (BlobPlace::Directory(root), StorageError::Unavailable(reason) | StorageError::Failed(reason)) => {
                blobs::OpenBlobsError::Root { path: root.clone(), reason: reason.to_string() }.into()
            }
            _ => error.into(),
        }),
    }
}

impl From<ProbeError> for StartError {
    fn from(error: ProbeError) -> Self {
        Self::Bucket(error)
    }
}
