//! Every test that needs more than one unit: one binary, one file a topic in `hold/`.

// A helper outside `#[test]` fails its test like the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(test)]
#[path = "hold"]
mod suite {
    mod authenticator;
    mod binary;
    mod blob_crashes;
    mod blob_hold;
    mod blob_orders;
    mod blob_reads;
    mod blob_uploads;
    mod bucket_uploads;
    mod commits;
    mod config;
    mod connection;
    mod crawl;
    mod crew_reconcile;
    mod daemon;
    mod did_server;
    mod dpop;
    mod endpoints;
    mod firehose;
    mod hold;
    mod hostile_blocks;
    mod key_file;
    mod large_repository;
    mod object_contract;
    mod page;
    mod real_accounts;
    mod record_blobs;
    mod record_endpoints;
    mod registry;
    mod repo_file;
    mod repo_home;
    mod repository;
    mod resolver;
    mod resolver_memory;
    mod service_tokens;
    mod upkeep;
    mod vectors;
}
