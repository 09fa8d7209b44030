//! The SQL of the repository: its head, blocks, records, events, and the blobs of its records.
//!
//! No other room has SQL for these tables, and none calls what is here: it is public for tests.

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
    // Those of `audit.rs` are about everything there is.
    let sources = [include_str!("events.rs"), include_str!("record_blobs.rs"), include_str!("repo.rs")];
    let scans = [
        // An export of everything reads everything, in the order of the file.
        ("SELECT cid, bytes FROM block ORDER BY number", "SCAN block"),
        // Ends at the first event within the window; those before it are what is deleted.
        ("SELECT max(seq) FROM (", "SCAN event"),
    ];
    crate::schema::plans::assert_indexed(&sources, &scans);
}
