//! Steps of the clock. A blob that was uploaded a moment before the clock was set two days ahead was not unused for two
//! days, and the manifest that names it may be on its way.

use std::time::{Duration, Instant};

use atproto::syntax::micros;
use server::nonpoison::Mutex;

/// The least step that counts, in microseconds, one minute: clocks that are only corrected differ by less between two
/// looks.
const LEAST_STEP_US: u64 = 60 * 1_000_000;

/// How far the clock was set ahead while this process runs, by looks at it from time to time. A machine that slept has
/// the same effect: its clock went on, and nothing else.
#[derive(Debug, Default)]
pub(super) struct ClockSteps(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// The clock at the last look, in microseconds since 1970, and when that was.
    last: Option<(u64, Instant)>,
    /// The steps ahead in microseconds, and when they were seen.
    steps: Vec<(u64, Instant)>,
}

impl ClockSteps {
    /// Looks at the clock, which is at `clock_us` at the moment `now`. Returns the microseconds by which it was set ahead
    /// within `period`, as far as looks show.
    pub(super) fn ahead_us(&self, clock_us: u64, now: Instant, period: Duration) -> u64 {
        let mut seen = self.0.lock();
        if let Some((last_us, last)) = seen.last.replace((clock_us, now)) {
            let step_us = clock_us.saturating_sub(last_us.saturating_add(micros(now.saturating_duration_since(last))));
            if step_us >= LEAST_STEP_US {
                let seconds = step_us / 1_000_000;
                tracing::warn!(
                    "the clock was set {seconds} s ahead: unused blobs from before are kept for so much longer"
                );
                seen.steps.push((step_us, now));
            }
        }
        seen.steps.retain(|(_, at)| now.saturating_duration_since(*at) <= period);
        seen.steps.iter().fold(0, |sum, (step_us, _)| sum.saturating_add(*step_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_ahead_counts_for_the_period_and_no_other_change_does() {
        let (steps, begun, hour) = (ClockSteps::default(), Instant::now(), Duration::from_secs(3600));
        // Minutes since the begin, seconds that the clock is ahead of them, and seconds of steps within an hour.
        for (minute, ahead_s, expected_s) in [
            (0, 0, 0),
            (10, 0, 0),
            (20, 59, 0),
            (30, 7_259, 7_200),
            (40, 7_259, 7_200),
            (50, 100, 7_200),
            (60, 400, 7_500),
            (90, 400, 7_500),
            (91, 400, 300),
            (121, 400, 0),
        ] {
            let passed = Duration::from_secs(60 * minute);
            let clock_us = 1_800_000_000_000_000 + micros(passed) + ahead_s * 1_000_000;
            let found_us = steps.ahead_us(clock_us, begun + passed, hour);
            assert_eq!(found_us, expected_s * 1_000_000, "in minute {minute}");
        }
    }
}
