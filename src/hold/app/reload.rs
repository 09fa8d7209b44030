//! Reloads the configuration while the hold runs.

use std::sync::Arc;

use super::status::Status;
use super::{blob_limits, declared, images_settings, now_us, pds_limits};
use crate::api::ApiState;
use crate::config::Config;
use crate::hold::Hold;
use server::daemon::notify;
use server::daemon::signals::Hangups;
use server::settings::SettingsError;

/// When and how to read the configuration again.
pub struct Reloads {
    hangups: Hangups,
    read: Box<dyn Fn() -> Result<Config, SettingsError> + Send + Sync>,
}

impl Reloads {
    /// Reads the configuration by `read` at each of `hangups`.
    pub fn new(hangups: Hangups, read: impl Fn() -> Result<Config, SettingsError> + Send + Sync + 'static) -> Self {
        Self { hangups, read: Box::new(read) }
    }
}

/// Applies a new configuration to the running hold.
pub(super) struct Follower {
    /// The configuration that is followed now, without its profile.
    pub(super) running: Config,
    pub(super) hold: Arc<Hold>,
    pub(super) state: Arc<ApiState>,
    pub(super) status: Arc<Status>,
}

impl Follower {
    /// Applies the configuration at each of `reloads`.
    pub(super) async fn follow(mut self, mut reloads: Reloads) {
        while reloads.hangups.next().await.is_some() {
            notify::reloading();
            let outcome = match (reloads.read)() {
                Ok(new) => self.apply(new).await,
                Err(error) => Err(error.to_string()),
            };
            if let Err(reason) = &outcome {
                tracing::error!("the configuration is refused, the one from before stays: {reason}");
            }
            self.status.refused(outcome.err());
            self.status.ready().await;
        }
    }

    async fn apply(&mut self, new: Config) -> Result<(), String> {
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
        if !waiting.is_empty() {
            tracing::warn!("changed, but followed only after a restart: {}", waiting.join(", "));
        }
        Ok(())
    }
}
