//! How SQLite answers each statement of this room: by an index, whatever the size of the tables. The statements are
//! read from the sources, so that a new one is held to it too.

use rusqlite::types::Null;
use rusqlite::{Connection, params_from_iter};

use super::open::MIGRATIONS;

/// All but `audit.rs`, whose statements are about everything there is.
const SOURCES: [&str; 10] = [
    include_str!("blobs.rs"),
    include_str!("bucket_uploads.rs"),
    include_str!("copies.rs"),
    include_str!("events.rs"),
    include_str!("garbage.rs"),
    include_str!("image_stats.rs"),
    include_str!("layers.rs"),
    include_str!("record_blobs.rs"),
    include_str!("repo.rs"),
    include_str!("uploads.rs"),
];

/// Steps that go through a whole table or index, each with the reason why that is right.
const SCANS: [(&str, &str); 7] = [
    // Empty but for the seconds of a collection, and after one that was cut off.
    ("FROM doomed", "SCAN doomed"),
    // SQLite empties a whole table at once.
    ("DELETE FROM copied", "SCAN copied"),
    // A sum over all blobs, for an operator; it holds up nobody.
    ("SELECT count(*), coalesce(sum(size_bytes), 0) FROM blob", "SCAN blob"),
    // An export of everything reads everything, in the order of the file.
    ("SELECT cid, bytes FROM block ORDER BY number", "SCAN block"),
    // Ends at the first event within the window; those before it are what is deleted.
    ("SELECT max(seq) FROM (", "SCAN event"),
    // The index has only what is asked for.
    ("FROM stats WHERE new_pulls > 0", "SCAN stats USING INDEX stats_new_pulls"),
    // At most as many as uploads may be open.
    ("FROM upload WHERE digest IS NULL", "SCAN upload USING INDEX upload_open"),
];

#[test]
fn statements_use_indexes() {
    let database = Connection::open_in_memory().unwrap();
    MIGRATIONS.iter().for_each(|script| database.execute_batch(script).unwrap());
    let statements: Vec<_> = SOURCES.into_iter().flat_map(statements).collect();
    assert!(statements.len() > 30, "{} statements", statements.len());
    for statement in &statements {
        assert_eq!(slow_steps(&database, statement), [""; 0], "{statement}");
    }
    assert_eq!(slow_steps(&database, "SELECT cid FROM block ORDER BY bytes").len(), 2, "a slow statement is seen");
}

/// The literals that begin like a statement, outside tests.
fn statements(source: &str) -> Vec<&str> {
    let code = source.split("#[cfg(test)]").next().unwrap();
    let literals = code.split('"').skip(1).step_by(2);
    literals
        .filter(|text| ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE"].iter().any(|verb| text.starts_with(verb)))
        .collect()
}

/// Steps that sort or go through a table. Results of subqueries are no tables.
fn slow_steps(database: &Connection, statement: &str) -> Vec<String> {
    let mut plan = database.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
    let parameters = params_from_iter((0..plan.parameter_count()).map(|_| Null));
    let steps = plan.query_map(parameters, |row| row.get(3)).unwrap().collect::<Result<Vec<String>, _>>().unwrap();
    let is_known = |step: &str| SCANS.iter().any(|(known, scan)| statement.contains(known) && step == *scan);
    let is_scan = |step: &str| step.starts_with("SCAN ") && !step.starts_with("SCAN (") && step != "SCAN name";
    steps.into_iter().filter(|step| step.contains("TEMP B-TREE") || is_scan(step) && !is_known(step)).collect()
}
