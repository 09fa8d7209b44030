//! Every test that needs more than one unit: one binary, one file a topic in `suite/`.

mod suite {
    mod blob_crashes;
    mod blob_hold;
    mod blob_orders;
    mod blob_reads;
    mod blob_uploads;
    mod object_contract;
}
