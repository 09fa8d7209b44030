//! Comparison of the store's clock with this machine's, from the times in a request and its response.
//!
//! Stores refuse a signature whose time is too far off, each with its own error: Garage with `400 InvalidRequest`.

use http::header::DATE;
use http::{HeaderMap, HeaderValue};

/// Largest difference that S3 and Azure accept, in seconds; other stores do as S3.
const MAX_SKEW_S: i64 = 15 * 60;

/// Whether a signature made at `own_s` is refused when the store's clock shows `store_s`.
pub(super) fn is_too_far(own_s: i64, store_s: i64) -> bool {
    own_s.abs_diff(store_s) > MAX_SKEW_S.unsigned_abs()
}

/// Returns the time of a request's signature, in seconds since 1970; `None` when the signature has no time.
pub(super) fn signed_s(request: &HeaderMap) -> Option<i64> {
    if let Some(date) = request.get("x-ms-date") {
        return read(date);
    }
    let stamp = request.get("x-amz-date")?.to_str().ok()?;
    Some(chrono::NaiveDateTime::parse_from_str(stamp, "%Y%m%dT%H%M%SZ").ok()?.and_utc().timestamp())
}

/// Returns the time when the store sent a response, in seconds since 1970; `None` without a `Date`.
pub(super) fn answered_s(answer: &HeaderMap) -> Option<i64> {
    read(answer.get(DATE)?)
}

fn read(date: &HeaderValue) -> Option<i64> {
    Some(chrono::DateTime::parse_from_rfc2822(date.to_str().ok()?).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{answered_s, is_too_far, signed_s};

    #[test]
    fn both_clocks_are_read_in_their_own_form() {
        let mut headers = HeaderMap::new();
        assert_eq!((signed_s(&headers), answered_s(&headers)), (None, None));
        headers.insert("x-amz-date", HeaderValue::from_static("20261123T033800Z"));
        headers.insert("date", HeaderValue::from_static("Mon, 23 Nov 2026 03:53:01 GMT"));
        let (Some(own_s), Some(store_s)) = (signed_s(&headers), answered_s(&headers)) else { panic!() };
        assert_eq!(store_s - own_s, 901);
        assert!(is_too_far(own_s, store_s) && is_too_far(store_s, own_s) && !is_too_far(own_s, store_s - 1));
        headers.insert("x-ms-date", HeaderValue::from_static("Mon, 23 Nov 2026 03:38:02 GMT"));
        assert_eq!(signed_s(&headers), Some(own_s + 2));
    }
}
