//! Steps of the clock. What was used a moment before the clock was set two days ahead was not unused for two days.

use std::time::{Duration, Instant};

use atproto::syntax::micros;

use crate::nonpoison::Mutex;

/// The least step that counts, in microseconds, one minute: clocks that are only corrected differ by less between two
/// looks.
const LEAST_STEP_US: u64 = 60 * 1_000_000;
/// Number of steps kept apart; the oldest two become one of the time of the later.
const MAX_STEPS: usize = 256;

/// How far the clock was set ahead while this process runs, by looks at it from time to time. A machine that slept has
/// the same effect: its clock went on, and nothing else. Whoever deletes by age looks first, then asks.
#[derive(Debug, Default)]
pub struct ClockSteps(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// The clock at the last look, in microseconds since 1970, and when that was.
    last: Option<(u64, Instant)>,
    /// The steps ahead in microseconds, and when they were seen.
    steps: Vec<(u64, Instant)>,
}

impl Seen {
    /// Looks at the clock. Returns the microseconds by which it was set ahead since the last look.
    fn look(&mut self, clock_us: u64, now: Instant) -> u64 {
        let Some((last_us, last)) = self.last.replace((clock_us, now)) else { return 0 };
        let step_us = clock_us.saturating_sub(last_us.saturating_add(micros(now.saturating_duration_since(last))));
        if step_us < LEAST_STEP_US {
            return 0;
        }
        self.steps.push((step_us, now));
        if self.steps.len() > MAX_STEPS {
            let (oldest_us, _) = self.steps.remove(0);
            self.steps[0].0 = self.steps[0].0.saturating_add(oldest_us);
        }
        step_us
    }
}

impl ClockSteps {
    /// Looks at the clock, which is at `clock_us` at the moment `now`, microseconds since 1970.
    pub fn look(&self, clock_us: u64, now: Instant) {
        let step_us = self.0.lock().look(clock_us, now);
        if step_us > 0 {
            let seconds = step_us / 1_000_000;
            tracing::warn!(
                "the clock was set {seconds} s ahead: what is deleted by its age is kept for so much longer"
            );
        }
    }

    /// Counts the time since an earlier process looked at the clock last, at `last_us`, as a step: nobody could use
    /// anything meanwhile, and the clock may have been set. Before the first look of this process.
    pub fn resume(&self, last_us: u64, clock_us: u64, now: Instant) {
        let mut seen = self.0.lock();
        seen.look(last_us, now);
        seen.look(clock_us, now);
    }

    /// Returns the latest time that a clock which was right may have given, when the clock is at `clock_us`, both in
    /// microseconds since 1970: a later one is of a clock that was ahead.
    #[must_use]
    pub fn latest_us(clock_us: u64) -> u64 {
        clock_us.saturating_add(LEAST_STEP_US)
    }

    /// Returns the time such that what was last used before it is unused for `period`, when the clock is at `clock_us`, both
    /// in microseconds since 1970: earlier by what the clock was set ahead within that period, as far as looks show.
    #[must_use]
    pub fn before_us(&self, clock_us: u64, period: Duration) -> u64 {
        let seen = self.0.lock();
        let is_within = |at: Instant| seen.last.is_some_and(|(_, last)| last.saturating_duration_since(at) <= period);
        let steps = seen.steps.iter().filter(|(_, at)| is_within(*at));
        let ahead_us = steps.fold(0, |sum: u64, (step_us, _)| sum.saturating_add(*step_us));
        clock_us.saturating_sub(micros(period)).saturating_sub(ahead_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const BEGIN_US: u64 = 1_800_000_000_000_000;

    /// Returns the seconds by which the clock was set ahead within an hour.
    fn ahead_s(steps: &ClockSteps, clock_us: u64) -> u64 {
        (clock_us - micros(HOUR) - steps.before_us(clock_us, HOUR)) / 1_000_000
    }

    #[test]
    fn a_step_ahead_counts_for_the_period_and_no_other_change_does() {
        let (steps, begun) = (ClockSteps::default(), Instant::now());
        // Minutes since the begin, seconds that the clock is ahead of them, and seconds of steps within an hour.
        for (minute, ahead, expected) in [
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
            let clock_us = BEGIN_US + micros(passed) + ahead * 1_000_000;
            steps.look(clock_us, begun + passed);
            assert_eq!(ahead_s(&steps, clock_us), expected, "in minute {minute}");
        }
    }

    #[test]
    fn the_time_since_an_earlier_process_is_a_step_unless_the_clock_is_before_it() {
        for (last_us, expected) in [(BEGIN_US - 86_400_000_000, 86_400), (BEGIN_US - 59_000_000, 0), (BEGIN_US + 1, 0)]
        {
            let (steps, begun) = (ClockSteps::default(), Instant::now());
            steps.resume(last_us, BEGIN_US, begun);
            assert_eq!(ahead_s(&steps, BEGIN_US), expected);
        }
    }

    #[test]
    fn steps_without_end_are_bounded_and_none_is_lost() {
        let (steps, begun, every) = (ClockSteps::default(), Instant::now(), Duration::from_secs(1));
        let mut clock_us = BEGIN_US;
        for second in 0..=u32::try_from(3 * MAX_STEPS).unwrap() {
            steps.look(clock_us, begun + every * second);
            clock_us += 61_000_000;
        }
        assert_eq!(steps.0.lock().steps.len(), MAX_STEPS);
        assert_eq!(ahead_s(&steps, clock_us), 60 * 3 * MAX_STEPS as u64);
    }
}
