//! Reloads of the configuration while the daemon runs: at each SIGHUP, with the service manager told of begin and end.
//!
//! A program's [`Follower`] applies the new configuration.

use std::sync::Arc;

use crate::daemon::signals::Hangups;
use crate::daemon::{StatusLine, notify};
use crate::settings::SettingsError;

/// The SIGHUPs that start a reload, and the function that reads the configuration.
pub struct Reloads<C> {
    hangups: Hangups,
    read: Box<dyn Fn() -> Result<C, SettingsError> + Send + Sync>,
}

/// The part of a program that applies a new configuration to the running daemon.
pub trait Follower: Send {
    /// The configuration of the program.
    type Config: Send;

    /// Applies what can be applied of `new`. Returns the options that changed and take effect only after a restart.
    ///
    /// # Errors
    /// The reason why the configuration is refused: then nothing of it is applied.
    fn apply(&mut self, new: Self::Config) -> impl Future<Output = Result<Vec<&'static str>, String>> + Send;
}

impl<C: Send> Reloads<C> {
    /// Reads the configuration by `read` at each of `hangups`.
    pub fn new(hangups: Hangups, read: impl Fn() -> Result<C, SettingsError> + Send + Sync + 'static) -> Self {
        Self { hangups, read: Box::new(read) }
    }

    /// Reloads at each SIGHUP, until there can be none any more: `follower` applies the configuration, `status` shows
    /// the outcome.
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
