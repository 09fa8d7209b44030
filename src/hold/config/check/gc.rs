//! Checks the options of garbage collection.

use std::time::Duration;

use super::super::{Gc, Schedule};
use super::Checker;
use server::settings::SettingsError;

const DAY_S: u64 = 86_400;
const SHORTEST: Duration = Duration::from_secs(3_600);

impl Checker<'_> {
    pub(super) fn gc(&self) -> Result<Gc, SettingsError> {
        let raw = &self.raw.gc;
        let test_mode = self.raw.test_mode;
        if raw.grace_s < DAY_S && !test_mode {
            let rule = "it must be at least 86400, a day: what is pushed has no record until the push ends";
            return Err(self.wrong("gc.grace_s", rule));
        }
        let schedule = schedule(&raw.schedule).filter(|schedule| match schedule {
            Schedule::Every(interval) => *interval >= SHORTEST || (test_mode && !interval.is_zero()),
            Schedule::Daily { .. } => true,
        });
        let rule = "it must be a time of day in UTC, like 03:30, or hours, like 6h";
        Ok(Gc {
            enabled: raw.enabled,
            schedule: schedule.ok_or_else(|| self.wrong("gc.schedule", rule))?,
            grace: Duration::from_secs(raw.grace_s),
        })
    }
}

fn schedule(text: &str) -> Option<Schedule> {
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse::<u64>().ok()).flatten()
    };
    match text.split_once(':') {
        Some((hour, minute)) if hour.len() == 2 && minute.len() == 2 => {
            let (hour, minute) = (number(hour).filter(|hour| *hour < 24)?, number(minute).filter(|m| *m < 60)?);
            Some(Schedule::Daily { after_midnight: Duration::from_secs(hour * 3_600 + minute * 60) })
        }
        Some(_) => None,
        // Seconds are for tests: only test mode allows an interval below an hour.
        None => match (text.strip_suffix('h'), text.strip_suffix('s')) {
            (Some(hours), _) => number(hours).map(|hours| Schedule::Every(Duration::from_secs(hours * 3_600))),
            (_, Some(seconds)) => number(seconds).map(|seconds| Schedule::Every(Duration::from_secs(seconds))),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_a_time_of_day_or_an_interval() {
        let daily = |seconds| Some(Schedule::Daily { after_midnight: Duration::from_secs(seconds) });
        let every = |seconds| Some(Schedule::Every(Duration::from_secs(seconds)));
        let cases = [
            ("00:00", daily(0)),
            ("23:59", daily(86_340)),
            ("6h", every(21_600)),
            ("2s", every(2)),
            ("24:00", None),
            ("3:30", None),
            ("03:60", None),
            ("+3:30", None),
            ("h", None),
            ("daily", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(schedule(text), expected, "{text}");
        }
    }
}
