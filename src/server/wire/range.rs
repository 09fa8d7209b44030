//! The range of a body that a request names. <https://www.rfc-editor.org/rfc/rfc9110#section-14>

use std::ops::Range;

use http::Method;
use http::header::{HeaderName, IF_RANGE, RANGE};
use http::request::Parts;

/// The range of a body that a request names.
#[derive(Debug, PartialEq, Eq)]
pub enum RequestedRange {
    /// No range, an unknown one, or several: the whole body is a valid answer to all of them.
    Whole,
    /// These bytes. Answer 206.
    Part(Range<u64>),
    /// A range beyond the end. Answer 416.
    Unsatisfiable,
}

impl RequestedRange {
    /// Returns the range that a request names of a body of `size_bytes` with this entity tag. The body never changes.
    #[must_use]
    pub fn of(head: &Parts, size_bytes: u64, etag: &str) -> Self {
        let once = |name: HeaderName| {
            let mut values = head.headers.get_all(name).iter();
            values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
        };
        // A range of another version would not fit the part that the client has.
        let applies = !head.headers.contains_key(IF_RANGE) || once(IF_RANGE) == Some(etag);
        match once(RANGE).filter(|_| applies && head.method == Method::GET) {
            Some(text) => Self::parse(text, size_bytes),
            None => Self::Whole,
        }
    }

    fn parse(text: &str, size: u64) -> Self {
        let number =
            |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten();
        let spec = text.trim().strip_prefix("bytes=").and_then(|spec| spec.trim().split_once('-'));
        match spec {
            None => Self::Whole,
            Some(("", suffix)) => match number(suffix) {
                None => Self::Whole,
                Some(0) => Self::Unsatisfiable,
                Some(_) if size == 0 => Self::Unsatisfiable,
                Some(count) => Self::Part(size.saturating_sub(count)..size),
            },
            Some((first, last)) => {
                let end = if last.is_empty() {
                    Some(size)
                } else {
                    number(last).map(|last| last.saturating_add(1).min(size))
                };
                match number(first).zip(end) {
                    None => Self::Whole,
                    Some((first, _)) if first >= size => Self::Unsatisfiable,
                    Some((first, end)) if first < end => Self::Part(first..end),
                    Some(_) => Self::Whole,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RequestedRange;

    #[test]
    fn ranges_as_in_rfc_9110() {
        let cases = [
            ("bytes=0-0", RequestedRange::Part(0..1)),
            ("bytes=2-4", RequestedRange::Part(2..5)),
            ("bytes=7-", RequestedRange::Part(7..10)),
            ("bytes=-3", RequestedRange::Part(7..10)),
            ("bytes=-30", RequestedRange::Part(0..10)),
            ("bytes=5-500", RequestedRange::Part(5..10)),
            ("bytes=10-", RequestedRange::Unsatisfiable),
            ("bytes=10-12", RequestedRange::Unsatisfiable),
            ("bytes=-0", RequestedRange::Unsatisfiable),
            ("bytes=4-2", RequestedRange::Whole),
            ("bytes=0-1,3-4", RequestedRange::Whole),
            ("bytes=a-b", RequestedRange::Whole),
            ("bytes=-", RequestedRange::Whole),
            ("items=0-1", RequestedRange::Whole),
            ("bytes=18446744073709551616-", RequestedRange::Whole),
        ];
        for (text, expected) in cases {
            assert_eq!(RequestedRange::parse(text, 10), expected, "{text}");
        }
        assert_eq!(RequestedRange::parse("bytes=-5", 0), RequestedRange::Unsatisfiable);
    }
}
