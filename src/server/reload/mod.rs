//! Reading the configuration again while the daemon runs: at each SIGHUP, with the service manager told of begin and end.
//!
//! What a program does with a new configuration is its [`Follower`]'s.

use std::sync::Arc;

use crate::daemon::signals::Hangups;
use crate::daemon::{StatusLine, notify};
use crate::settings::SettingsError;

/// When and how to read the configuration again.
pub struct Reloads<C> {
    hangups: Hangups,
    read: Box<dyn Fn() -> Result<C, SettingsError> + Send + Sync>,
}

/// Applies a new configuration to a running daemon.
pub trait Follower: Send {
    /// The configuration of the program.
    type Config: Send;

    /// Applies what can be applied of `new`. Returns the options that changed and are followed only after a restart.
    ///
    /// # Errors
    /// Why the configuration is refused: then nothing of it is applied.
    fn apply(&mut self, new: Self::Config) -> impl Future<Output = Result<Vec<&'static str>, String>> + Send;
}

impl<C: Send> Reloads<C> {
    /// Reads the configuration by `read` at each of `hangups`.
    pub fn new(hangups: Hangups, read: impl Fn() -> Result<C, SettingsError> + Send + Sync + 'static) -> Self {
        Self { hangups, read: Box::new(read) }
    }

    /// Has `follower` apply each configuration that is read. `status` says how that went.
    pub async fn followed_by(mut self, mut follower: impl Follower<Config = C>, status: Arc<StatusLine>) {
        while self.hangups.next().await.is_some() {
            notify::reloading();
            let outcome = match (self.read)() {
                Ok(new) => follower.apply(new).await,
                Err(error) => Err(error.to_string()),
            };
            match &outcome {
                Ok(waiting) if waiting.is_empty() => {}
                Ok(waiting) => tracing::warn!("changed, but followed only after a restart: {}", waiting.join(", ")),
                Err(reason) => {
                    tracing::error!("the configuration is refused, the one from before stays: {reason}");
                }
            }
            status.refused(outcome.err());
            status.ready().await;
        }
    }
}
