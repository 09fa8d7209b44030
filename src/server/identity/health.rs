//! Logs when a source that all look-ups share stops answering, and when it answers again: once each.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;

use crate::nonpoison::Mutex;

/// The shortest time between two warnings: a source may fail every other time. Of one that stays down there is one.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// The last known state of a source.
#[derive(Debug)]
pub(super) struct SourceHealth {
    /// Number of failures in a row that say nothing of the source: each may be of what was asked.
    tolerated: u32,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Failures since the last answer.
    failures: u32,
    warned: Option<Instant>,
    is_down: bool,
}

impl SourceHealth {
    pub(super) fn tolerating(failures: u32) -> Self {
        Self { tolerated: failures, seen: Mutex::default() }
    }

    /// Records the outcome of a request to `source`, and logs a change.
    pub(super) fn observe(&self, source: &str, failure: Option<&impl Display>) {
        let mut seen = self.seen.lock();
        let Some(cause) = failure else {
            seen.failures = 0;
            if std::mem::take(&mut seen.is_down) {
                tracing::info!("{source} answers again");
            }
            return;
        };
        seen.failures = seen.failures.saturating_add(1);
        let may_warn = !seen.is_down && seen.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if seen.failures > self.tolerated && may_warn {
            (seen.warned, seen.is_down) = (Some(Instant::now()), true);
            tracing::warn!("{source} cannot be reached: {cause}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, SourceHealth, WARN_EVERY};

    /// Whether it was warned of each of these outcomes; `None` is an answer.
    fn warned(health: &SourceHealth, outcomes: &[Option<&str>]) -> Vec<bool> {
        let warned = |outcome: &Option<&str>| {
            let before = health.seen.lock().warned;
            health.observe("it", outcome.as_ref());
            health.seen.lock().warned != before
        };
        outcomes.iter().map(warned).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_is_said_to_be_away_after_the_failures_that_are_tolerated_and_once() {
        let failed = Some("silent");
        assert_eq!(warned(&SourceHealth::tolerating(0), &[failed, failed, None, failed]), [true, false, false, false]);
        let health = SourceHealth::tolerating(2);
        assert_eq!(warned(&health, &[failed, failed, None, failed, failed]), [false; 5]);
        assert_eq!(warned(&health, &[failed, failed]), [true, false]);
        tokio::time::advance(WARN_EVERY + Duration::from_secs(1)).await;
        assert_eq!(warned(&health, &[failed, None]), [false, false], "it was down all the time");
        assert!(!health.seen.lock().is_down);
        assert_eq!(warned(&health, &[failed, failed, failed]), [false, false, true]);
    }
}
