//! Logs when a source that all look-ups share stops answering, and when it answers again: once each.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;

use crate::nonpoison::Mutex;

/// The shortest time between two warnings: a source may fail every other time.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// The last known state of a source.
#[derive(Debug, Default)]
pub(super) struct SourceHealth(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    warned: Option<Instant>,
    is_down: bool,
}

impl SourceHealth {
    /// Records the outcome of a request to `source`, and logs a change.
    pub(super) fn observe(&self, source: &str, failure: Option<&impl Display>) {
        let mut seen = self.0.lock();
        match failure {
            Some(cause) if seen.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) => {
                *seen = Seen { warned: Some(Instant::now()), is_down: true };
                tracing::warn!("{source} cannot be reached: {cause}");
            }
            Some(_) => {}
            None if seen.is_down => {
                seen.is_down = false;
                tracing::info!("{source} answers again");
            }
            None => {}
        }
    }
}
