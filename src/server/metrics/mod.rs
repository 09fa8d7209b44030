//! Counters that other rooms keep, and their text format for Prometheus.
//!
//! A room owns its counters and knows their meaning; `app` collects all of them at a scrape. Counting is one addition
//! to an atomic: no lock, no allocation, and label values that are known beforehand, so that nothing a client sends
//! makes a new series. This room reads nothing and waits for nothing.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>, <https://prometheus.io/docs/practices/naming/>

mod counter;
mod histogram;
mod text;

pub use counter::{Counter, CounterBy, Gauge, Label};
pub use histogram::Histogram;
pub use text::{Family, MetricKind, Text};
