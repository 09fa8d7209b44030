//! The shape of the TOML file. The defaults come from the table of options.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use server::settings::Secret;

/// All options as they are written. Unknown ones are refused, so that a misspelt one is found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) public_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) did: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<String>,
    pub(super) public: bool,
    pub(super) allow_all_crew: bool,
    pub(super) mutable_crew: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) successor: Option<String>,
    pub(super) relays: Vec<String>,
    pub(super) test_mode: bool,
    pub(super) log_level: String,
    pub(super) bluesky_posts: bool,
    pub(super) appviews: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) new_crew_tier: Option<String>,
    #[serde(default)]
    pub(super) profile: Profile,
    pub(super) server: Server,
    #[serde(default)]
    pub(super) database: Database,
    #[serde(default)]
    pub(super) admin: Admin,
    #[serde(default)]
    pub(super) metrics: Metrics,
    pub(super) identity: Identity,
    pub(super) storage: Storage,
    pub(super) gc: Gc,
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) tiers: BTreeMap<String, Tier>,
    #[serde(default)]
    pub(super) crew: BTreeMap<String, Member>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tier {
    pub(super) quota: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) avatar: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub(super) addr: String,
    pub(super) trusted_proxies: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) accel_redirect: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Database {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signing_key: Option<Secret>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) socket: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) addr: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    pub(super) plc_url: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Storage {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) driver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) root_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) presigned: Option<String>,
    pub(super) disable_presigned_urls: bool,
    pub(super) s3: S3,
    pub(super) gcs: Gcs,
    pub(super) azure: Azure,
}

/// The options of Google Cloud Storage, also in a build without the driver, so that the error is about the driver, not
/// about unknown options.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gcs {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bucket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_account: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<String>,
    pub(super) prefix: String,
}

/// The options of Azure. As [`Gcs`], also in a build without the driver.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Azure {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) container: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access_key: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<String>,
    pub(super) prefix: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct S3 {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bucket: Option<String>,
    pub(super) region: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) force_path_style: Option<bool>,
    pub(super) prefix: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pull_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) public_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access_key_id: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret_access_key: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_token: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) container_credentials_relative_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) container_credentials_full_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) container_authorization_token_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) web_identity_token_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ec2_metadata_service_endpoint: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gc {
    pub(super) enabled: bool,
    pub(super) schedule: String,
    pub(super) grace_s: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) max_part_bytes: u64,
    pub(super) max_blob_bytes: u64,
    pub(super) uploads_per_account: u32,
    pub(super) uploads_total: u32,
    pub(super) stale_upload_s: u64,
    pub(super) empty_upload_s: u64,
    pub(super) measure_upload_s: u64,
    pub(super) connections: u32,
    pub(super) connections_per_address: u32,
    pub(super) requests_per_address: u32,
    pub(super) requests_per_account: u32,
    pub(super) writes_per_account: u32,
    pub(super) subscribers: u32,
    pub(super) subscribers_per_address: u32,
    pub(super) images_per_account: u64,
    pub(super) records_per_account: u64,
    pub(super) max_config_bytes: u64,
    pub(super) records_per_hour: u64,
    pub(super) commits_per_hour: u64,
    pub(super) event_bytes: u64,
    pub(super) reserve_bytes: u64,
    pub(super) drain_s: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Member {
    #[serde(default = "default_role")]
    pub(super) role: String,
    #[serde(default)]
    pub(super) permissions: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tier: Option<String>,
}

fn default_role() -> String {
    atproto::lexicon::ROLE_MEMBER.into()
}
