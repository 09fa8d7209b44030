//! `io.atcr.hold.*`: the methods by which a registry uses a hold.

pub(in crate::api) mod abort_upload;
pub(in crate::api) mod complete_upload;
pub(in crate::api) mod delete_user_data;
pub(in crate::api) mod export_user_data;
pub(in crate::api) mod get_part_upload_url;
pub(in crate::api) mod get_quota;
pub(in crate::api) mod initiate_upload;
pub(in crate::api) mod list_tiers;
pub(in crate::api) mod notify_manifest;
pub(in crate::api) mod request_crew;
pub(in crate::api) mod set_stats;
pub(in crate::api) mod update_crew_tier;
pub(in crate::api) mod upload_part;
