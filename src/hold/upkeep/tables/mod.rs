//! The SQL of a migration of the blobs to another storage.
//!
//! No other room has SQL for these tables, or calls these functions: they are public for tests.

mod copies;

pub use copies::*;

#[cfg(test)]
#[test]
fn statements_use_indexes() {
    let sources = [include_str!("copies.rs")];
    let scans = [
        // SQLite empties a whole table at once.
        ("DELETE FROM copied", "SCAN copied"),
    ];
    crate::schema::plans::assert_indexed(&sources, &scans);
}
