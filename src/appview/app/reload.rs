//! Reload of the configuration while the registry runs.

use std::sync::Arc;

use crate::config::Config;
use crate::oci::OciState;
use server::reload;

/// Applies a new configuration to the running registry.
pub(super) struct Follower {
    /// The configuration in effect.
    pub(super) running: Config,
    pub(super) state: Arc<OciState>,
}

impl reload::Follower for Follower {
    type Config = Config;

    async fn apply(&mut self, new: Config) -> Result<Vec<&'static str>, String> {
        let waiting = self.running.waiting_for_restart(&new);
        let next = self.running.followed(&new).map_err(|error| error.to_string())?;
        self.state.policy.set(&next.allowed_accounts, next.proxy_blobs);
        self.state.holds.set_default_hold(next.default_hold.clone());
        self.state.front.rates.set(next.limits.requests_per_address, 0);
        self.running = next;
        tracing::info!("the configuration was read again");
        Ok(waiting)
    }
}
