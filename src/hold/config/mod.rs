//! Configuration: defaults < TOML file < `.env` < environment, with every mistake explained.
//!
//! [`OPTIONS`] describes each option once. `server::settings` merges the layers into [`Raw`](raw::Raw), whose fields are
//! plain text, numbers and booleans; [`check`] turns that into [`Config`], whose types hold only what makes sense
//! together. An error names the option, where its value came from, and the remedy. Secrets are never shown.

mod check;
mod options;
mod profile;
mod raw;
mod show;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::objects::{Location, Presigned};
use atproto::lexicon::Permission;
use atproto::syntax::{Did, ServiceUrl};
use server::settings::{Secret, Values};

pub use options::OPTIONS;
pub use profile::{Avatar, Profile};

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The public URL of the hold.
    pub public_url: ServiceUrl,
    /// The captain.
    pub owner: Did,
    /// Whether anyone may read blobs.
    pub public: bool,
    /// Whether any account may join.
    pub allow_all_crew: bool,
    /// Whether members who joined at run time may stay.
    pub mutable_crew: bool,
    /// Shown in the captain record.
    pub region: Option<String>,
    /// The hold that follows this one.
    pub successor: Option<ServiceUrl>,
    /// The profile.
    pub profile: Profile,
    /// Crew declared by the operator.
    pub crew: BTreeMap<Did, ConfiguredMember>,
    /// The quotas of accounts.
    pub quota: Quota,
    /// Accounts of the registry front ends that may put members into tiers.
    pub appviews: Vec<Did>,
    /// Whether a push may make a post; the captain record says whether it does.
    pub bluesky_posts: bool,
    /// Base URLs of the relays that are asked to crawl the hold, without a trailing slash.
    pub relays: Vec<String>,
    /// Base URL of the did:plc directory, without a trailing slash.
    pub plc_directory_url: String,
    /// Plain http and loopback addresses are allowed for other people's DIDs and for relays: tests only.
    pub test_mode: bool,
    /// Address to listen on when no socket was inherited.
    pub server_addr: String,
    /// Reverse proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Where a reverse proxy at the Unix socket has the storage directory, with `/` at both ends, when it sends blobs itself.
    pub accel_redirect: Option<String>,
    /// The database file.
    pub database_path: PathBuf,
    /// The signing key itself, 64 hexadecimal digits, instead of the one in `key_dir`.
    pub signing_key: Option<Secret>,
    /// Directory of the signing key.
    pub key_dir: PathBuf,
    /// The socket file through which commands reach the running hold.
    pub admin_socket: PathBuf,
    /// Address to answer scrapers of metrics on when no socket was inherited for them; `None`: nowhere.
    pub metrics_addr: Option<String>,
    /// Where the blobs are.
    pub storage: Location,
    /// What clients of a bucket are given URLs of the store itself for.
    pub presigned: Presigned,
    /// Garbage collection.
    pub gc: Gc,
    /// The limits of what clients may use.
    pub limits: Limits,
    /// `error` to `trace`, or tracing's filter syntax.
    pub log_level: String,
    /// The values that this was made of.
    values: Values,
}

/// Garbage collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gc {
    /// Whether the daemon collects garbage on schedule.
    pub enabled: bool,
    /// The schedule.
    pub schedule: Schedule,
    /// How long a blob that nothing names is kept after its last use.
    pub grace: Duration,
}

/// A schedule of a repeated task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Every day, at this time after midnight UTC.
    Daily {
        /// Less than a day.
        after_midnight: Duration,
    },
    /// At this interval, counted from the start and from the end of the last run.
    Every(Duration),
}

/// A crew member of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredMember {
    /// The role: a word for people.
    pub role: String,
    /// At least one.
    pub permissions: Vec<Permission>,
    /// Quota tier.
    pub tier: Option<String>,
}

/// How much accounts may have. Without tiers there is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// From the smallest to the largest.
    pub tiers: Vec<Tier>,
    /// The tier of members who have none; absent: the smallest.
    pub new_crew_tier: Option<String>,
}

/// A tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// The most bytes that an account may store, each blob once.
    pub limit_bytes: u64,
}

/// The limits of what clients may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest part in bytes.
    pub max_part_bytes: u64,
    /// Largest blob in bytes.
    pub max_blob_bytes: u64,
    /// Open uploads of one account.
    pub uploads_per_account: u32,
    /// Open uploads of all accounts.
    pub uploads_total: u32,
    /// How long an upload may lie untouched.
    pub stale_upload: Duration,
    /// How long an upload may be without any part.
    pub empty_upload: Duration,
    /// How often a bucket is asked what it has of uploads whose parts go past the hold.
    pub measure_upload: Duration,
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_address: usize,
    /// Requests a second from one address, in the long run; 0 is no limit.
    pub requests_per_address: u32,
    /// Requests a second of one account, in the long run; 0 is no limit.
    pub requests_per_account: u32,
    /// Requests of one account at once that write.
    pub writes_per_account: usize,
    /// Subscribers of the events at once.
    pub subscribers: usize,
    /// Subscribers of the events at once from one address.
    pub subscribers_per_address: usize,
    /// Images of one account; 0 is no limit.
    pub images_per_account: u64,
    /// Layers and manifests of one account; 0 is no limit.
    pub records_per_account: u64,
    /// Largest config of a manifest in bytes; 0 is no limit.
    pub max_config_bytes: u64,
    /// Records that one account may add within an hour; 0 is no limit.
    pub records_per_hour: u64,
    /// Commits that one account may cause within an hour; 0 is no limit.
    pub commits_per_hour: u64,
    /// Bytes of all events that are kept.
    pub event_bytes: u64,
    /// Bytes of the disk that are left free.
    pub reserve_bytes: u64,
    /// How long requests in flight may take after SIGTERM.
    pub drain: Duration,
}
