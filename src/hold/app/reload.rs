//! Applies a new configuration while the hold runs.

use std::sync::Arc;

use super::{blob_limits, declared, images_settings, now_us, pds_limits};
use crate::api::ApiState;
use crate::config::Config;
use crate::hold::Hold;
use server::reload;

/// Applies a new configuration to the running hold.
pub(super) struct Follower {
    /// The configuration in effect, without its profile.
    pub(super) running: Config,
    pub(super) hold: Arc<Hold>,
    pub(super) state: Arc<ApiState>,
}

impl reload::Follower for Follower {
    type Config = Config;

    async fn apply(&mut self, new: Config) -> Result<Vec<&'static str>, String> {
        let waiting = self.running.waiting_for_restart(&new);
        let mut next = self.running.followed(&new).map_err(|error| error.to_string())?;
        let profile = std::mem::take(&mut next.profile);
        let declared = declared(&next, profile);
        let mutable_before = self.hold.crew.set_mutable(next.mutable_crew);
        let changed = self.hold.crew.reconcile(&declared, now_us()).await.map_err(|error| {
            self.hold.crew.set_mutable(mutable_before);
            format!("captain, crew and profile cannot follow it: {error}")
        })?;
        self.hold.declare(declared);
        self.hold.images.set(images_settings(&next));
        self.hold.pds.set_limits(pds_limits(&next));
        self.hold.blobs.set_limits(blob_limits(&next));
        self.state.front.rates.set(next.limits.requests_per_address, next.limits.requests_per_account);
        self.running = next;
        tracing::info!(records = changed, "the configuration was read again");
        Ok(waiting)
    }
}
