//! Points in time as text: the common subset of RFC 3339, ISO 8601 and WHATWG. Durations as whole numbers.
//! <https://atproto.com/specs/lexicon#datetime>

use std::time::Duration;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};

text_newtype!(
    /// A date and time with a time zone, kept exactly as written.
    Datetime,
    "datetime",
    check
);

fn check(text: &str) -> Result<(), &'static str> {
    const SHAPE: &str = "it must look like 2026-01-31T12:00:00.000Z";
    if text.len() > 64 || text.len() < 20 || !text.is_ascii() {
        return Err(SHAPE);
    }
    let bytes = text.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if !separators.iter().all(|(at, sep)| bytes[*at] == *sep) || text.contains('z') {
        return Err(SHAPE);
    }
    if text.ends_with("-00:00") {
        return Err("an unknown zone (-00:00) is not allowed");
    }
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| SHAPE)?;
    // The year as written has no sign, but the zone may move it below zero.
    if time.to_utc().year() < 0 { Err("it is before the year 0") } else { Ok(()) }
}

impl Datetime {
    /// Returns the canonical form of a time in microseconds since 1970: UTC with milliseconds.
    #[must_use]
    pub fn from_micros(micros: u64) -> Self {
        let time: DateTime<Utc> =
            i64::try_from(micros).ok().and_then(DateTime::from_timestamp_micros).unwrap_or(DateTime::UNIX_EPOCH);
        Self(time.to_rfc3339_opts(SecondsFormat::Millis, true).into())
    }

    /// Returns the microseconds since 1970; 0 for earlier times.
    #[must_use]
    pub fn to_micros(&self) -> u64 {
        let time = DateTime::parse_from_rfc3339(&self.0).map(|time| time.timestamp_micros());
        time.map_or(0, |micros| micros.max(0).cast_unsigned())
    }
}

/// Returns the whole microseconds of a duration, [`u64::MAX`] for a longer one.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Returns the whole milliseconds of a duration, [`u64::MAX`] for a longer one.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Datetime, Duration, micros, millis};

    #[test]
    fn a_duration_is_counted_in_whole_units_and_the_longest_is_the_largest_number() {
        let duration = Duration::from_nanos(2_001_999);
        assert_eq!((micros(duration), millis(duration)), (2001, 2));
        assert_eq!((micros(Duration::MAX), millis(Duration::MAX)), (u64::MAX, u64::MAX));
    }

    #[test]
    fn a_time_is_the_same_in_any_zone() {
        let time = Datetime::from_micros(1_700_000_000_123_000);
        assert_eq!(time.to_micros(), 1_700_000_000_123_000);
        let zoned = Datetime::parse("2023-11-14T23:13:20.123+01:00").unwrap();
        assert_eq!(zoned.to_micros(), time.to_micros());
        assert_eq!(Datetime::parse("1901-01-01T00:00:00Z").unwrap().to_micros(), 0);
    }

    #[test]
    fn the_first_year_is_0_whatever_the_zone() {
        assert!(Datetime::parse("0000-01-01T00:00:00.000Z").is_ok());
        assert!(Datetime::parse("0000-01-01T01:00:00+01:00").is_ok());
        assert!(Datetime::parse("0000-01-01T00:00:00+01:00").is_err());
    }
}
