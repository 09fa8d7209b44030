//! Request metrics by endpoint: a row of counters for each row of the endpoint table.

use std::time::Duration;

use crate::metrics::{Counter, Family, Histogram, MetricKind, Text};
use crate::wire::Response;

/// The statuses of responses, in order; any other counts as the first.
const STATUSES: [u16; 32] = [
    0, 101, 200, 201, 202, 204, 206, 304, 307, 400, 401, 403, 404, 405, 408, 409, 411, 413, 414, 415, 416, 417, 426,
    429, 431, 500, 501, 502, 503, 504, 505, 507,
];
/// The name for requests to no endpoint.
const OTHER: &str = "other";

/// Marks a response, in its extensions, as an error that another server caused: one that an account or a stranger chose
/// does not answer. Such are counted apart, so that an operator learns of the program's own.
#[derive(Clone, Copy, Debug)]
pub struct Elsewhere;

/// Requests by endpoint, since the start of the process.
pub struct RequestMetrics {
    /// One row for each endpoint, in the order of the table, and one for requests to none.
    rows: Vec<Row>,
}

struct Row {
    method: &'static str,
    statuses: [Counter; STATUSES.len()],
    /// Of these the ones with [`Elsewhere`], by status.
    elsewhere: [Counter; STATUSES.len()],
    durations: Histogram,
}

impl RequestMetrics {
    /// Creates counters for endpoints of these names, in the order of the table.
    pub fn new(endpoints: impl IntoIterator<Item = &'static str>) -> Self {
        let row = |method| Row {
            method,
            statuses: Default::default(),
            elsewhere: Default::default(),
            durations: Histogram::default(),
        };
        Self { rows: endpoints.into_iter().chain([OTHER]).map(row).collect() }
    }

    /// Counts a request to the endpoint with this index; `took` ends when the head of the response is complete.
    pub(super) fn count(&self, endpoint: Option<usize>, response: &Response, took: Duration) {
        let row = endpoint.and_then(|index| self.rows.get(index)).or(self.rows.last());
        let Some(row) = row else { return };
        let statuses = match response.extensions().get::<Elsewhere>() {
            Some(Elsewhere) => &row.elsewhere,
            None => &row.statuses,
        };
        statuses[STATUSES.binary_search(&response.status().as_u16()).unwrap_or(0)].inc();
        row.durations.observe(took);
    }

    /// Writes requests and their durations, with names that begin with `program`; `help` is the help text of the
    /// requests.
    pub fn show(&self, text: &mut Text, program: &str, help: &str) {
        self.show_requests(&mut text.family(&format!("{program}_requests_total"), MetricKind::Counter, help));
        let help = "Time from the head of a request to the head of its answer.";
        let name = format!("{program}_request_duration_seconds");
        self.show_durations(&mut text.family(&name, MetricKind::Histogram, help));
    }

    /// Writes the requests by method and status, without zeros; errors of other servers have a label `fault` besides.
    pub fn show_requests(&self, family: &mut Family<'_>) {
        for row in &self.rows {
            for (status, count) in STATUSES.iter().zip(&row.statuses).filter(|(_, count)| count.get() > 0) {
                family.value(&[("method", row.method), ("code", &status.to_string())], count.get());
            }
            for (status, count) in STATUSES.iter().zip(&row.elsewhere).filter(|(_, count)| count.get() > 0) {
                let labels = [("method", row.method), ("code", &status.to_string()), ("fault", "elsewhere")];
                family.value(&labels, count.get());
            }
        }
    }

    /// Writes the durations of requests, by method.
    fn show_durations(&self, family: &mut Family<'_>) {
        for row in self.rows.iter().filter(|row| row.durations.count() > 0) {
            family.histogram(&[("method", row.method)], &row.durations);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::metrics::{MetricKind, Text};
    use crate::wire::ResponseBody;

    #[test]
    fn statuses_are_in_order_and_strangers_have_a_place() {
        assert!(STATUSES.is_sorted());
        let metrics = RequestMetrics::new(["/", "_health"]);
        let with = |status: StatusCode| {
            let mut response = Response::new(ResponseBody::empty());
            *response.status_mut() = status;
            response
        };
        metrics.count(Some(1), &with(StatusCode::OK), Duration::from_millis(1));
        metrics.count(Some(7), &with(StatusCode::IM_A_TEAPOT), Duration::ZERO);
        metrics.count(None, &with(StatusCode::NOT_FOUND), Duration::ZERO);
        let mut away = with(StatusCode::BAD_GATEWAY);
        away.extensions_mut().insert(Elsewhere);
        metrics.count(Some(0), &away, Duration::ZERO);
        let mut text = Text::default();
        metrics.show_requests(&mut text.family("r", MetricKind::Counter, ""));
        metrics.show_durations(&mut text.family("d", MetricKind::Histogram, ""));
        let text = text.into_string();
        let lines = [
            "{method=\"_health\",code=\"200\"} 1",
            "{method=\"other\",code=\"0\"} 1",
            "{method=\"/\",code=\"502\",fault=\"elsewhere\"} 1",
            "d_count{method=\"other\"} 2",
        ];
        assert!(lines.iter().all(|line| text.contains(line)), "{text}");
        assert_eq!(text.matches("\nr{").count(), 4);
    }
}
