//! The SQL of the repository: its head, blocks, records, events, and the blobs of its records.
//!
//! No other room has SQL for these tables, or calls these functions: they are public for tests.

mod audit;
mod events;
mod record_blobs;
mod repo;

pub use audit::*;
pub use events::*;
pub use record_blobs::*;
pub use repo::*;

#[cfg(test)]
#[test]
fn statements_use_indexes() {
    // The queries of `audit.rs` read all rows.
    let sources = [include_str!("events.rs"), include_str!("record_blobs.rs"), include_str!("repo.rs")];
    let scans = [
        // A full export reads all rows, in the order of the file.
        ("SELECT cid, bytes FROM block ORDER BY number", "SCAN block"),
        // Ends at the first event within the window; the events before it are deleted.
        ("SELECT max(seq) FROM (", "SCAN event"),
    ];
    crate::schema::plans::assert_indexed(&sources, &scans);
}
