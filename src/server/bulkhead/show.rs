//! The metrics of bulkheads, in the text format of Prometheus.

use super::BulkheadCounts;
use crate::metrics::{MetricKind, Text};

impl BulkheadCounts {
    /// Writes the metrics of several bulkheads, each with the name of its resource, in families whose names begin with
    /// `program`.
    pub fn show(text: &mut Text, program: &str, counts: &[(&str, &Self)]) {
        let name = |rest: &str| format!("{program}_bulkhead_{rest}");
        let help = "Requests that hold a place of a resource that many share.";
        let mut inside = text.family(&name("inside"), MetricKind::Gauge, help);
        counts.iter().for_each(|(name, counts)| inside.value(&[("resource", name)], counts.inside.get()));
        let help = "Requests that wait for such a place.";
        let mut waiting = text.family(&name("waiting"), MetricKind::Gauge, help);
        counts.iter().for_each(|(name, counts)| waiting.value(&[("resource", name)], counts.waiting.get()));
        let help = "Requests that got none: others need the places (503), or the caller has too much under way (429).";
        let mut refused = text.family(&name("refused_total"), MetricKind::Counter, help);
        for (name, counts) in counts {
            refused.value(&[("resource", name), ("code", "503")], counts.refused_server.get());
            refused.value(&[("resource", name), ("code", "429")], counts.refused_caller.get());
        }
    }
}
