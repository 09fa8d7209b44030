//! `io.atcr.hold.*`: what the registry drives a hold by.

pub(in crate::http) mod abort_upload;
pub(in crate::http) mod complete_upload;
pub(in crate::http) mod get_part_upload_url;
pub(in crate::http) mod initiate_upload;
pub(in crate::http) mod request_crew;
pub(in crate::http) mod upload_part;
