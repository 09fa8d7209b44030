//! The time that a server asks for before the next request.

use std::time::{Duration, SystemTime};

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

/// Returns how long a server takes no request, as it says with 429 and 503: in seconds, or until a date. The caller bounds it.
/// <https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>
#[must_use]
pub fn retry_after(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    asked(status, headers, Some(now))
}

/// As [`retry_after`], by the server's own clock: its response has a `Date`, or only seconds count.
#[must_use]
pub fn retry_after_by_date(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let now = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    asked(status, headers, now)
}

fn asked(status: StatusCode, headers: &HeaderMap, now: Option<SystemTime>) -> Option<Duration> {
    if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let said = headers.get(RETRY_AFTER)?.to_str().ok()?;
    if !said.is_empty() && said.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has here are as good as forever.
        return Some(Duration::from_secs(said.parse().unwrap_or(u64::MAX)));
    }
    httpdate::parse_http_date(said).ok()?.duration_since(now?).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_server_says_in_seconds_or_by_a_date_how_long_it_takes_nothing() {
        // RFC 9110's own example of a date, and a minute before it.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 60);
        let asked_s = |status: u16, said: &[u8]| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_bytes(said).unwrap())]);
            retry_after(StatusCode::from_u16(status).unwrap(), &headers, now).map(|asked| asked.as_secs())
        };
        for status in [429, 503] {
            for (said, expected) in [
                ("0", 0),
                ("120", 120),
                ("99999999999999999999999", u64::MAX),
                ("Sun, 06 Nov 1994 08:49:37 GMT", 60),
                ("Sunday, 06-Nov-94 08:49:37 GMT", 60),
                ("Sun Nov  6 08:49:37 1994", 60),
            ] {
                assert_eq!(asked_s(status, said.as_bytes()), Some(expected), "{said}");
            }
            let past = "Sun, 06 Nov 1994 08:48:36 GMT";
            for said in ["", "soon", "-1", "1.5", "+5", "10, 20", "Sun, 06 Nov 1994", past] {
                assert_eq!(asked_s(status, said.as_bytes()), None, "{said}");
            }
            assert_eq!(asked_s(status, b"\xff"), None);
        }
        let by_date = |date: Option<&'static str>, said: &'static str| {
            let dates = date.map(|date| (DATE, HeaderValue::from_static(date)));
            let headers =
                HeaderMap::from_iter(dates.into_iter().chain([(RETRY_AFTER, HeaderValue::from_static(said))]));
            retry_after_by_date(StatusCode::TOO_MANY_REQUESTS, &headers).map(|asked| asked.as_secs())
        };
        let (date, later) = ("Sun, 06 Nov 1994 08:48:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!((by_date(Some(date), later), by_date(None, later), by_date(None, "7")), (Some(60), None, Some(7)));
        for status in [200, 400, 500, 502] {
            assert_eq!(asked_s(status, b"120"), None, "{status}");
        }
    }
}
