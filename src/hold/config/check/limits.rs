//! Checks the limits of what clients may use.

use std::time::Duration;

use super::super::Limits;
use super::Checker;
use server::settings::SettingsError;

/// Least bytes of events: eight events of the greatest size.
const MIN_EVENT_BYTES: u64 = 16 << 20;
/// Least reserve in bytes: the database's log may have as much.
const MIN_RESERVE_BYTES: u64 = 16 << 20;

impl Checker<'_> {
    pub(super) fn limits(&self) -> Result<Limits, SettingsError> {
        let raw = &self.raw.limits;
        let positive = [
            ("max_part_bytes", raw.max_part_bytes),
            ("max_blob_bytes", raw.max_blob_bytes),
            ("uploads_per_account", raw.uploads_per_account.into()),
            ("uploads_total", raw.uploads_total.into()),
            ("connections", raw.connections.into()),
            ("connections_per_address", raw.connections_per_address.into()),
            ("subscribers", raw.subscribers.into()),
            ("subscribers_per_address", raw.subscribers_per_address.into()),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(self.wrong(&format!("limits.{name}"), "it must be greater than 0"));
        }
        if !(1..=8).contains(&raw.writes_per_account) {
            return Err(self.wrong("limits.writes_per_account", "it must be from 1 to 8, which is all there is"));
        }
        if raw.stale_upload_s < 3_600 {
            return Err(
                self.wrong("limits.stale_upload_s", "it must be at least 3600, or slow pushes would be swept away")
            );
        }
        if raw.empty_upload_s < 60 {
            return Err(
                self.wrong("limits.empty_upload_s", "it must be at least 60, or a client could not begin its part")
            );
        }
        if !(1..=86_400).contains(&raw.measure_upload_s) {
            return Err(self.wrong("limits.measure_upload_s", "it must be from 1 to 86400, a day"));
        }
        if raw.event_bytes < MIN_EVENT_BYTES {
            return Err(self.wrong("limits.event_bytes", "it must be at least 16777216, some of the largest events"));
        }
        if raw.reserve_bytes < MIN_RESERVE_BYTES {
            return Err(self.wrong("limits.reserve_bytes", "it must be at least 16777216, the database's log"));
        }
        Ok(Limits {
            max_part_bytes: raw.max_part_bytes,
            max_blob_bytes: raw.max_blob_bytes,
            uploads_per_account: raw.uploads_per_account,
            uploads_total: raw.uploads_total,
            stale_upload: Duration::from_secs(raw.stale_upload_s),
            empty_upload: Duration::from_secs(raw.empty_upload_s),
            measure_upload: Duration::from_secs(raw.measure_upload_s),
            connections: usize::try_from(raw.connections).unwrap_or(usize::MAX),
            connections_per_address: usize::try_from(raw.connections_per_address).unwrap_or(usize::MAX),
            requests_per_address: raw.requests_per_address,
            requests_per_account: raw.requests_per_account,
            writes_per_account: usize::try_from(raw.writes_per_account).unwrap_or(usize::MAX),
            subscribers: usize::try_from(raw.subscribers).unwrap_or(usize::MAX),
            subscribers_per_address: usize::try_from(raw.subscribers_per_address).unwrap_or(usize::MAX),
            images_per_account: raw.images_per_account,
            records_per_account: raw.records_per_account,
            max_config_bytes: raw.max_config_bytes,
            records_per_hour: raw.records_per_hour,
            commits_per_hour: raw.commits_per_hour,
            event_bytes: raw.event_bytes,
            reserve_bytes: raw.reserve_bytes,
            drain: Duration::from_secs(raw.drain_s),
        })
    }
}
