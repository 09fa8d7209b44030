//! The buckets that are here, whoever provides them: for tests of what every provider must do.

use atcr_hold::objects::{Bucket, BucketSettings};

use super::buckets_here;

/// A bucket, or a folder of one that nothing else uses.
pub(crate) struct Remote {
    pub(crate) name: String,
    pub(crate) settings: BucketSettings,
    /// The driver, and the table of the configuration with its options.
    pub(crate) driver: &'static str,
    pub(crate) options: String,
}

impl Remote {
    pub(crate) fn open(&self) -> Bucket {
        Bucket::open(&self.settings).unwrap()
    }

    /// Whether it takes parts of any size.
    pub(crate) fn takes_small_parts(&self) -> bool {
        matches!(self.name.as_str(), "garage" | "azurite")
    }
}

/// Every real S3 server, and every Azure account.
pub(crate) fn remotes_here() -> Vec<Remote> {
    let s3 = buckets_here().into_iter().map(|bucket| Remote {
        driver: "s3",
        options: format!("[storage.s3]\ndisable_presigned_urls = true\n{}", bucket.options()),
        name: bucket.name,
        settings: BucketSettings::S3(bucket.settings),
    });
    s3.chain(azures_here()).collect()
}

#[cfg(not(feature = "azure"))]
fn azures_here() -> Vec<Remote> {
    Vec::new()
}

/// The accounts that `tests/clouds/azurite.sh` serves; none, said once, when there are none.
#[cfg(feature = "azure")]
fn azures_here() -> Vec<Remote> {
    super::azure::accounts_here().into_iter().map(super::azure::remote).collect()
}
