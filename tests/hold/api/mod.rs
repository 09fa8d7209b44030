//! Every endpoint of a whole hold over real HTTP: exact status, error name and body.

pub(crate) mod firehose;
mod page;
mod record_blobs;
mod records;

mod access;
mod bodies;
mod bucket;
mod complete;
mod disk;
mod envelope;
mod leaks;
mod metrics;
mod private_reads;
mod races;
mod rates;
mod reads;
mod restarts;
mod sent_by_proxy;
mod sizes;
mod successor;
mod tokens;
mod uploads;
