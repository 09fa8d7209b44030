//! Configuration: defaults < TOML file < `.env` < environment, with an explanation of every error.
//!
//! [`OPTIONS`] describes each option once. `server::settings` merges the layers into `Raw`, whose fields
//! are plain text, numbers and booleans; `check` turns that into [`Config`], whose types hold only valid
//! combinations. An error names the option, the origin of its value, and the remedy. Secrets are never shown.

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
use atproto::syntax::{Did, HoldId, ServiceUrl};
use server::settings::{Secret, Values};

pub use options::OPTIONS;
pub use profile::{Avatar, Profile};

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The public URL of the hold.
    pub public_url: ServiceUrl,
    /// The DID of the hold: the did:web of its URL, or a did:plc.
    pub did: Did,
    /// The captain.
    pub owner: Did,
    /// Whether anyone may read blobs.
    pub public: bool,
    /// Whether any account may join.
    pub allow_all_crew: bool,
    /// Whether members may be changed at run time; if not, the crew is exactly what is declared.
    pub mutable_crew: bool,
    /// The region in the captain record.
    pub region: Option<String>,
    /// The hold that follows this one.
    pub successor: Option<HoldId>,
    /// The profile.
    pub profile: Profile,
    /// The declared crew, without the owner.
    pub crew: BTreeMap<Did, ConfiguredMember>,
    /// The quotas of accounts.
    pub quota: Quota,
    /// Accounts of the registry front ends that may put members into tiers.
    pub appviews: Vec<Did>,
    /// Whether a push may make a post; the captain record decides whether it does.
    pub bluesky_posts: bool,
    /// Base URLs of the relays to send requestCrawl to, without a trailing slash.
    pub relays: Vec<String>,
    /// Base URL of the did:plc directory, without a trailing slash.
    pub plc_directory_url: String,
    /// Whether plain http and loopback addresses are allowed for DIDs of other accounts and for relays: for tests only.
    pub test_mode: bool,
    /// Address to listen on when no socket was inherited.
    pub server_addr: String,
    /// Reverse proxies whose X-Forwarded-For is trusted.
    pub trusted_proxies: Vec<IpAddr>,
    /// Location of the storage directory in a reverse proxy at the Unix socket, with `/` at both ends, when the proxy
    /// sends blobs itself (`X-Accel-Redirect`).
    pub accel_redirect: Option<String>,
    /// The database file.
    pub database_path: PathBuf,
    /// The signing key itself, 64 hexadecimal digits, instead of the one in `key_dir`.
    pub signing_key: Option<Secret>,
    /// Directory of the signing key.
    pub key_dir: PathBuf,
    /// The admin socket, through which commands reach the running hold.
    pub admin_socket: PathBuf,
    /// Address to serve metrics on when no socket was inherited for them; `None` disables them.
    pub metrics_addr: Option<String>,
    /// The storage of the blobs.
    pub storage: Location,
    /// The requests for which clients of a bucket get presigned URLs of the store.
    pub presigned: Presigned,
    /// Garbage collection.
    pub gc: Gc,
    /// The limits of what clients may use.
    pub limits: Limits,
    /// Log level, `error` to `trace`, or a filter in tracing's syntax.
    pub log_level: String,
    /// The merged values of the options.
    values: Values,
}

/// Garbage collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gc {
    /// Whether the daemon collects garbage on schedule.
    pub enabled: bool,
    /// The schedule.
    pub schedule: Schedule,
    /// Grace period: the least time since the last use of an unreferenced blob that may be removed.
    pub grace: Duration,
}

/// A schedule of a repeated task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Every day, at this time after midnight UTC.
    Daily {
        /// The time after midnight, less than a day.
        after_midnight: Duration,
    },
    /// At this interval, counted from the start and from the end of the last run.
    Every(Duration),
}

/// A declared crew member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredMember {
    /// The role, for display.
    pub role: String,
    /// The permissions, at least one.
    pub permissions: Vec<Permission>,
    /// The quota tier.
    pub tier: Option<String>,
}

/// The quotas of accounts. Without tiers there is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// The tiers, from the smallest to the largest.
    pub tiers: Vec<Tier>,
    /// The tier of members whose record names none; `None` means the smallest.
    pub new_crew_tier: Option<String>,
}

/// A quota tier.
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
    /// Limit of open uploads of one account.
    pub uploads_per_account: u32,
    /// Limit of open uploads of all accounts.
    pub uploads_total: u32,
    /// Time after which an untouched upload is dropped.
    pub stale_upload: Duration,
    /// Time after which an upload without any part is dropped.
    pub empty_upload: Duration,
    /// Interval at which a bucket is asked for the stored parts of uploads with presigned URLs.
    pub measure_upload: Duration,
    /// Limit of concurrent connections.
    pub connections: usize,
    /// Limit of concurrent connections from one address.
    pub connections_per_address: usize,
    /// Limit of requests a second from one address, on average; 0 means no limit.
    pub requests_per_address: u32,
    /// Limit of requests a second of one account, on average; 0 means no limit.
    pub requests_per_account: u32,
    /// Limit of concurrent writing requests of one account.
    pub writes_per_account: usize,
    /// Limit of concurrent subscribers of the events.
    pub subscribers: usize,
    /// Limit of concurrent subscribers of the events from one address.
    pub subscribers_per_address: usize,
    /// Limit of images of one account; 0 means no limit.
    pub images_per_account: u64,
    /// Limit of layers and manifests of one account; 0 means no limit.
    pub records_per_account: u64,
    /// Largest config of a manifest in bytes; 0 means no limit.
    pub max_config_bytes: u64,
    /// Limit of records that one account may add within an hour; 0 means no limit.
    pub records_per_hour: u64,
    /// Limit of commits that one account may cause within an hour; 0 means no limit.
    pub commits_per_hour: u64,
    /// Limit of the bytes of all events that are kept.
    pub event_bytes: u64,
    /// Bytes of the disk that stay free.
    pub reserve_bytes: u64,
    /// Time that requests in flight may take after SIGTERM.
    pub drain: Duration,
}
