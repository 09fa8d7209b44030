//! Prometheus' text format, version 0.0.4.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use std::fmt::{Display, Write as _};

use super::{CounterBy, Histogram, Label};

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A count that only grows, from 0 at the start of the process.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Counts by bucket.
    Histogram,
}

/// A page of metrics.
#[derive(Debug, Default)]
pub struct Text(String);

/// One metric family, whose values are still to be written.
#[derive(Debug)]
pub struct Family<'t> {
    text: &'t mut String,
    name: String,
}

impl Text {
    /// The media type of the page.
    pub const MEDIA_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Begins a metric family. Use each name once; `help` is one line without a backslash.
    pub fn family(&mut self, name: &str, kind: MetricKind, help: &str) -> Family<'_> {
        let kind = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        // Writing to a string does not fail, here and below.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { text: &mut self.0, name: name.to_owned() }
    }

    /// Writes a counter with one value.
    pub fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, MetricKind::Counter, help).value(&[], value);
    }

    /// Writes a gauge with one value.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, MetricKind::Gauge, help).value(&[], value);
    }

    /// Writes a counter with a value for each value of `label`.
    pub fn counter_by<L: Label>(&mut self, name: &str, help: &str, label: &str, counter: &CounterBy<L>) {
        let mut family = self.family(name, MetricKind::Counter, help);
        for (value, count) in counter.iter() {
            family.value(&[(label, value)], count);
        }
    }

    /// Returns the whole page.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Writes the value for these labels.
    pub fn value(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.sample("", labels, None, value);
    }

    /// Writes the buckets, the sum and the count of a histogram.
    pub fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        for (end_s, count) in histogram.cumulative() {
            self.sample("_bucket", labels, Some(&end_s.to_string()), count);
        }
        // Read after the buckets: a duration counted in between must not make the total less than a bucket.
        let count = histogram.count();
        self.sample("_bucket", labels, Some("+Inf"), count);
        self.sample("_sum", labels, None, histogram.sum_s());
        self.sample("_count", labels, None, count);
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], end: Option<&str>, value: impl Display) {
        let _ = write!(self.text, "{}{suffix}", self.name);
        let all = labels.iter().copied().chain(end.map(|end| ("le", end)));
        let mut before = '{';
        for (label, text) in all {
            let _ = write!(self.text, "{before}{label}=\"{}\"", Escaped(text));
            before = ',';
        }
        let close = if before == ',' { "}" } else { "" };
        let _ = writeln!(self.text, "{close} {value}");
    }
}

/// The value of a label, with its escapes.
struct Escaped<'t>(&'t str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Histogram, MetricKind, Text};

    #[test]
    fn as_in_the_format() {
        let mut text = Text::default();
        text.gauge("a_bytes", "What a is.", 1_800_000_000_000_001_u64);
        text.family("b", MetricKind::Gauge, "b.").value(&[("x", "1\"2\\3\n"), ("y", "")], 0.5);
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(30));
        text.family("c_seconds", MetricKind::Histogram, "c.").histogram(&[("z", "q")], &histogram);
        let text = text.into_string();
        let expected = "# HELP a_bytes What a is.\n# TYPE a_bytes gauge\na_bytes 1800000000000001\n\
                        # HELP b b.\n# TYPE b gauge\nb{x=\"1\\\"2\\\\3\\n\",y=\"\"} 0.5\n\
                        # HELP c_seconds c.\n# TYPE c_seconds histogram\nc_seconds_bucket{z=\"q\",le=\"0.005\"} 0\n\
                        c_seconds_bucket{z=\"q\",le=\"0.025\"} 0\nc_seconds_bucket{z=\"q\",le=\"0.1\"} 1\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with("le=\"+Inf\"} 1\nc_seconds_sum{z=\"q\"} 0.03\nc_seconds_count{z=\"q\"} 1\n"), "{text}");
    }
}
