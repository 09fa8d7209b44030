//! When a commit is worth telling relays of: the first one after a quiet time.
//!
//! It looks at the newest revision now and then instead of being told, so that no commit has anything to do with it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Pace;
use crate::pds::Pds;
use crate::syntax::Tid;

/// Wishes for a crawl at the first commit after each quiet time.
pub(super) async fn wish_after_quiet(pds: &Pds, pace: Pace, wish: watch::Sender<()>) {
    let mut last = None;
    let mut ticks = tokio::time::interval(pace.look_every);
    loop {
        ticks.tick().await;
        let rev = match pds.head().await {
            Ok(head) => head.map(|head| head.rev),
            Err(error) => {
                tracing::debug!(%error, "the newest revision could not be read");
                continue;
            }
        };
        let now = Instant::now();
        let last = last.get_or_insert_with(|| LastCommit { rev: rev.clone(), at: now });
        if last.ends_quiet(rev, now, pace.quiet) {
            wish.send_replace(());
        }
    }
}

/// The newest commit that was seen.
struct LastCommit {
    rev: Option<Tid>,
    at: Instant,
}

impl LastCommit {
    /// Whether `rev` is of a commit after at least `quiet` without one.
    fn ends_quiet(&mut self, rev: Option<Tid>, now: Instant, quiet: Duration) -> bool {
        if self.rev == rev {
            return false;
        }
        let was_quiet = now.saturating_duration_since(self.at) >= quiet;
        *self = Self { rev, at: now };
        was_quiet
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::LastCommit;
    use crate::syntax::Tid;

    #[test]
    fn the_first_commit_after_a_quiet_time_ends_it_and_no_other() {
        const QUIET: Duration = Duration::from_secs(600);
        let start = Instant::now();
        let mut last = LastCommit { rev: None, at: start };
        // Seconds since the start, microseconds of the newest revision, whether a quiet time ends.
        for (at_s, rev, expected) in [
            (599, 1, false),
            (600, 1, false),
            (1_198, 2, false),
            (1_798, 2, false),
            (1_798, 3, true),
            (1_799, 4, false),
            (2_398, 5, false),
            (2_998, 6, true),
            (9_999, 6, false),
            (9_999, 7, true),
        ] {
            let rev = Some(Tid::next(rev, 0, None));
            assert_eq!(last.ends_quiet(rev, start + Duration::from_secs(at_s), QUIET), expected, "{at_s}");
        }
    }
}
