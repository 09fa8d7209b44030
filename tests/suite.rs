//! Every test that needs more than one unit: one binary, one file a topic in `suite/`.

// Helpers beside the tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod suite {
    mod blob_crashes;
    mod blob_hold;
    mod blob_orders;
    mod blob_reads;
    mod blob_uploads;
    mod object_contract;
}
