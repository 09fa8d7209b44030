//! What was asked and how it went: a row of counters for each row of the endpoint table, made when the hold starts.

use std::time::Duration;

use http::StatusCode;

use super::endpoint::TABLE;
use server::metrics::{Counter, Family, Histogram};

/// The statuses that answers have, in order; whatever else there may be counts as the first.
const STATUSES: [u16; 31] = [
    0, 101, 200, 201, 204, 206, 304, 307, 400, 401, 403, 404, 405, 408, 409, 411, 413, 414, 415, 416, 417, 426, 429,
    431, 500, 501, 502, 503, 504, 505, 507,
];
/// The name of requests for what is not in the table.
const OTHER: &str = "other";

/// Requests, by endpoint.
pub struct Traffic {
    /// As in the table, and one for what is not in it.
    rows: Vec<Row>,
}

#[derive(Default)]
struct Row {
    statuses: [Counter; STATUSES.len()],
    durations: Histogram,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { rows: (0..=TABLE.len()).map(|_| Row::default()).collect() }
    }
}

impl Traffic {
    /// One more request. `path` is that of the endpoint's row; `took` ends when the head of the answer is there.
    pub(super) fn count(&self, path: Option<&'static str>, status: StatusCode, took: Duration) {
        let index = path.and_then(|path| TABLE.iter().position(|endpoint| endpoint.path == path));
        let Some(row) = self.rows.get(index.unwrap_or(TABLE.len())) else { return };
        row.statuses[STATUSES.binary_search(&status.as_u16()).unwrap_or(0)].one();
        row.durations.observe(took);
    }

    /// Requests by method and status, those that there were.
    pub fn show_requests(&self, family: &mut Family<'_>) {
        for (method, row) in self.named() {
            for (status, count) in STATUSES.iter().zip(&row.statuses).filter(|(_, count)| count.get() > 0) {
                family.value(&[("method", method), ("code", &status.to_string())], count.get());
            }
        }
    }

    /// How long they took, by method.
    pub fn show_durations(&self, family: &mut Family<'_>) {
        for (method, row) in self.named().filter(|(_, row)| row.durations.count() > 0) {
            family.histogram(&[("method", method)], &row.durations);
        }
    }

    fn named(&self) -> impl Iterator<Item = (&'static str, &Row)> {
        TABLE.iter().map(|endpoint| endpoint.path).chain([OTHER]).zip(&self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use server::metrics::{Kind, Text};

    #[test]
    fn statuses_are_in_order_and_strangers_have_a_place() {
        assert!(STATUSES.is_sorted());
        let traffic = Traffic::default();
        traffic.count(Some("_health"), StatusCode::OK, Duration::from_millis(1));
        traffic.count(Some("/nowhere"), StatusCode::IM_A_TEAPOT, Duration::ZERO);
        traffic.count(None, StatusCode::NOT_FOUND, Duration::ZERO);
        let mut text = Text::default();
        traffic.show_requests(&mut text.family("r", Kind::Counter, ""));
        traffic.show_durations(&mut text.family("d", Kind::Histogram, ""));
        let text = text.into_string();
        let lines =
            ["{method=\"_health\",code=\"200\"} 1", "{method=\"other\",code=\"0\"} 1", "d_count{method=\"other\"} 2"];
        assert!(lines.iter().all(|line| text.contains(line)), "{text}");
        assert_eq!(text.matches("\nr{").count(), 3);
    }
}
