//! The SQL of images: layers, manifests, statistics, posts.
//!
//! No other room has SQL for these tables.

mod image_stats;
mod layers;

pub use image_stats::*;
pub use layers::*;

#[cfg(test)]
#[test]
fn statements_use_indexes() {
    let sources = [include_str!("image_stats.rs"), include_str!("layers.rs")];
    let scans = [
        // The index contains only what the query selects.
        ("FROM stats WHERE new_pulls > 0 OR", "SCAN stats USING INDEX stats_new_counts"),
        // SQLite empties a whole table at once.
        ("DELETE FROM layer", "SCAN layer USING INDEX layer_digest"),
        ("DELETE FROM manifest", "SCAN manifest USING INDEX manifest_account"),
        ("DELETE FROM stats", "SCAN stats"),
        ("DELETE FROM post", "SCAN post"),
    ];
    crate::schema::plans::assert_indexed(&sources, &scans);
}
