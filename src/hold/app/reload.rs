//! Following a changed configuration while the hold runs.

use std::sync::Arc;

use super::status::Status;
use super::{blob_limits, declared, images_settings, now_us};
use crate::api::State;
use crate::config::{Config, ConfigError, Limits};
use crate::operations::Hold;
use server::daemon::notify;
use server::daemon::signals::Hangups;

/// When to read the configuration again, and how.
pub struct Reloads {
    hangups: Hangups,
    read: Box<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>,
}

impl Reloads {
    /// At each of `hangups`, by `read`.
    pub fn new(hangups: Hangups, read: impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static) -> Self {
        Self { hangups, read: Box::new(read) }
    }
}

/// Who brings a new configuration into force.
pub(super) struct Follower {
    /// The configuration that is followed now, without its profile.
    pub(super) running: Config,
    pub(super) hold: Arc<Hold>,
    pub(super) state: Arc<State>,
    pub(super) status: Arc<Status>,
}

impl Follower {
    /// Follows the configuration for as long as it may change.
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
        let waiting = fixed_at_start(&self.running, &new);
        // What is fixed at start stays what it is, also where crew and captain depend on it.
        let fixed = &self.running.limits;
        let next = Config {
            owner: new.owner,
            public: new.public,
            allow_all_crew: new.allow_all_crew,
            mutable_crew: new.mutable_crew,
            region: new.region,
            successor: new.successor,
            crew: new.crew,
            quota: new.quota,
            appviews: new.appviews,
            bluesky_posts: new.bluesky_posts,
            limits: Limits {
                connections: fixed.connections,
                connections_per_address: fixed.connections_per_address,
                drain: fixed.drain,
                ..new.limits
            },
            ..self.running.clone()
        };
        let declared = declared(&next, new.profile);
        let mutable_before = self.hold.crew.set_mutable(next.mutable_crew);
        let changed = self.hold.crew.reconcile(&declared, now_us()).await.map_err(|error| {
            self.hold.crew.set_mutable(mutable_before);
            format!("captain, crew and profile cannot follow it: {error}")
        })?;
        self.hold.declare(declared);
        self.hold.images.set(images_settings(&next));
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

/// The options that differ and need a restart. Naming every field makes a new option choose its side.
fn fixed_at_start(running: &Config, new: &Config) -> Vec<&'static str> {
    let Config {
        public_url,
        owner: _,
        public: _,
        allow_all_crew: _,
        mutable_crew: _,
        region: _,
        successor: _,
        crew: _,
        quota: _,
        appviews: _,
        bluesky_posts: _,
        profile: _,
        relays,
        plc_directory_url,
        test_mode,
        server_addr,
        admin_socket,
        metrics_addr,
        trusted_proxies,
        accel_redirect,
        database_path,
        signing_key,
        key_dir,
        storage,
        gc,
        limits,
        log_level,
    } = new;
    let differs = [
        ("public_url", *public_url != running.public_url),
        ("relays", *relays != running.relays),
        ("identity.plc_url", *plc_directory_url != running.plc_directory_url),
        ("test_mode", *test_mode != running.test_mode),
        ("server.addr", *server_addr != running.server_addr),
        ("admin.socket", *admin_socket != running.admin_socket),
        ("metrics.addr", *metrics_addr != running.metrics_addr),
        ("server.trusted_proxies", *trusted_proxies != running.trusted_proxies),
        ("server.accel_redirect", *accel_redirect != running.accel_redirect),
        ("database.path", *database_path != running.database_path),
        ("database.signing_key", *signing_key != running.signing_key),
        ("database.key_path", *key_dir != running.key_dir),
        ("storage", *storage != running.storage),
        ("gc", *gc != running.gc),
        ("limits.connections", limits.connections != running.limits.connections),
        ("limits.connections_per_address", limits.connections_per_address != running.limits.connections_per_address),
        ("limits.drain_s", limits.drain != running.limits.drain),
        ("log_level", *log_level != running.log_level),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(option, _)| option).collect()
}
