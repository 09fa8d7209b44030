//! The settings of a bucket.

use serde::{Deserialize, Serialize};
use url::{Host, Url};

#[cfg(feature = "azure")]
use super::AzureSettings;
#[cfg(feature = "gcs")]
use super::GoogleSettings;
use super::S3Settings;

/// The settings of a bucket. Contains secrets, also when serialized; send it over the admin socket only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BucketSettings {
    /// A provider that speaks S3.
    S3(S3Settings),
    /// Google Cloud Storage.
    #[cfg(feature = "gcs")]
    Google(GoogleSettings),
    /// Azure Blob Storage.
    #[cfg(feature = "azure")]
    Azure(AzureSettings),
}

impl BucketSettings {
    /// Returns the name of the bucket for messages, different for every bucket: `s3://bucket/folder at https://host`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::S3(settings) => settings.name(),
            #[cfg(feature = "gcs")]
            Self::Google(settings) => settings.name(),
            #[cfg(feature = "azure")]
            Self::Azure(settings) => settings.name(),
        }
    }
}

/// The requests for which clients of a hold in a bucket get presigned URLs of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presigned {
    /// Parts and downloads, where the store takes parts by URL. Parts that bypassed the hold are read back to be
    /// hashed.
    All,
    /// Downloads only: parts go through the hold, which hashes them on their way.
    Downloads,
    /// None: all bytes go through the hold.
    None,
}

impl Presigned {
    /// Parses a word of the configuration, the same that `Display` writes.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::All, Self::Downloads, Self::None].into_iter().find(|presigned| presigned.to_string() == word)
    }

    /// Whether clients get URLs of the store to send parts to, if the store takes them there.
    #[must_use]
    pub fn signs_parts(self) -> bool {
        self == Self::All
    }

    /// Whether clients get URLs of the store to read from.
    #[must_use]
    pub fn signs_reads(self) -> bool {
        self != Self::None
    }
}

impl std::fmt::Display for Presigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Downloads => "downloads",
            Self::None => "none",
        })
    }
}

impl BucketSettings {
    /// Returns the reason that clients of a hold with a public https address cannot use presigned URLs; `None` when
    /// they can, as far as the address shows.
    #[must_use]
    pub fn unreachable_for_clients(&self) -> Option<&'static str> {
        let settings = match self {
            Self::S3(settings) => settings,
            #[cfg(any(feature = "gcs", feature = "azure"))]
            _ => return None,
        };
        let endpoint = settings.public_endpoint.as_ref().or(settings.endpoint.as_ref())?;
        let url = Url::parse(endpoint).ok()?;
        match url.host()? {
            Host::Ipv4(ip) if ip.is_loopback() || ip.is_private() => {
                Some("it is reached on this machine or network only")
            }
            Host::Ipv6(ip) if ip.is_loopback() => Some("it is reached on this machine only"),
            Host::Domain(name) if name == "localhost" || !name.contains('.') => {
                Some("its name is known on this machine or network only")
            }
            _ if url.scheme() == "http" => Some("it is plain http, which many clients do not follow from https"),
            _ => None,
        }
    }
}
