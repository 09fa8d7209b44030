//! Detects the first commit after a quiet time, at which relays get a new request.
//!
//! It watches for new events, so that commits do not depend on it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Sends a wish at the first event after each quiet time, until the events end.
pub(super) async fn wish_after_quiet<E>(
    mut newest_event: watch::Receiver<E>,
    quiet: Duration,
    wish: watch::Sender<()>,
) {
    let mut last = Instant::now();
    while newest_event.changed().await.is_ok() {
        if last.elapsed() >= quiet {
            wish.send_replace(());
        }
        last = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::watch;
    use tokio::time::{Instant, sleep_until};

    use super::wish_after_quiet;

    #[tokio::test(start_paused = true)]
    async fn the_first_event_after_a_quiet_time_ends_it_and_no_other() {
        let ((events, newest), (wish, mut wishes)) = (watch::channel(7), watch::channel(()));
        let start = Instant::now();
        tokio::spawn(wish_after_quiet(newest, Duration::from_secs(600), wish));
        // Seconds since the start, and whether the event at that time ends a quiet time.
        for (at_s, expected) in [(599, false), (1_198, false), (1_798, true), (1_799, false), (2_999, true)] {
            sleep_until(start + Duration::from_secs(at_s)).await;
            assert!(!wishes.has_changed().unwrap(), "without an event before {at_s}");
            events.send_modify(|seq| *seq += 1);
            sleep_until(start + Duration::from_millis(at_s * 1000 + 500)).await;
            assert_eq!(wishes.has_changed().unwrap(), expected, "{at_s}");
            wishes.mark_unchanged();
        }
    }
}
