//! `io.atcr.hold.*`: what the registry drives a hold by.

pub(in crate::http) mod abort_upload;
pub(in crate::http) mod complete_upload;
pub(in crate::http) mod delete_user_data;
pub(in crate::http) mod export_user_data;
pub(in crate::http) mod get_part_upload_url;
pub(in crate::http) mod get_quota;
pub(in crate::http) mod initiate_upload;
pub(in crate::http) mod list_tiers;
pub(in crate::http) mod notify_manifest;
pub(in crate::http) mod request_crew;
pub(in crate::http) mod set_stats;
pub(in crate::http) mod update_crew_tier;
pub(in crate::http) mod upload_part;
