//! The SQL of image blobs: acknowledged blobs, uploads and their parts, and pending deletions.
//!
//! No other room has SQL for these tables. Other rooms call only what the room `blobs` re-exports; the rest is public
//! for tests.

mod blobs;
mod bucket_uploads;
mod garbage;
mod storage;
mod uploads;
mod usage;

pub use blobs::*;
pub use bucket_uploads::*;
pub use garbage::*;
pub use storage::*;
pub use uploads::*;
pub use usage::*;

#[cfg(test)]
#[test]
fn statements_use_indexes() {
    let sources = [
        include_str!("blobs.rs"),
        include_str!("bucket_uploads.rs"),
        include_str!("garbage.rs"),
        include_str!("storage.rs"),
        include_str!("uploads.rs"),
        include_str!("usage.rs"),
    ];
    let scans = [
        // Empty except for the seconds of a garbage collection, and after one that was cut off.
        ("FROM pending_deletion", "SCAN pending_deletion"),
        // A sum over all blobs, for an operator; it blocks no one.
        ("SELECT count(*), coalesce(sum(size_bytes), 0) FROM blob", "SCAN blob"),
        // At most as many rows as uploads may be open.
        ("FROM upload WHERE digest IS NULL", "SCAN upload USING INDEX upload_open"),
        ("FROM upload\n               WHERE digest IS NULL GROUP BY", "SCAN upload USING INDEX upload_open"),
        // At most as many rows as uploads may be open.
        ("FROM bucket_upload JOIN", "SCAN bucket_upload"),
        // One row for each account, for an operator.
        ("FROM account_usage ORDER BY", "SCAN account_usage"),
    ];
    crate::schema::plans::assert_indexed(&sources, &scans);
}
