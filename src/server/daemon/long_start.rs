//! A start that takes as long as the state is large: the service manager is asked for time meanwhile.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::notify;

/// Interval of the requests for time.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// The time that each asks for: that which a start has of itself.
const LONGER: Duration = Duration::from_secs(90);
/// Age at which a start counts as one that hangs.
const LONGEST: Duration = Duration::from_secs(3600);

/// A start that is under way; dropped when it is done.
#[derive(Debug)]
pub struct LongStart {
    _asking: AbortOnDropHandle<()>,
}

impl LongStart {
    /// Asks the service manager for time until dropped, until `shutdown`, or for an hour. Must be called in a runtime.
    #[must_use]
    pub fn begin(shutdown: &CancellationToken) -> Self {
        let shutdown = shutdown.clone();
        let asking = async move { shutdown.run_until_cancelled(ask(notify::longer)).await.unwrap_or_default() };
        Self { _asking: AbortOnDropHandle::new(tokio::spawn(asking)) }
    }
}

async fn ask(longer: impl Fn(Duration)) {
    for _ in 0..LONGEST.as_secs() / ASK_EVERY.as_secs() {
        tokio::time::sleep(ASK_EVERY).await;
        longer(LONGER);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_start_that_hangs_is_given_up_in_the_end() {
        let (began, last) = (tokio::time::Instant::now(), Cell::new(Duration::ZERO));
        ask(|longer| last.set(began.elapsed() + longer)).await;
        assert_eq!(last.get(), LONGEST + LONGER);
    }
}
