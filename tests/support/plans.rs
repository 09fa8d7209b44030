//! How SQLite answers each statement of a room of the crate that has this in its `schema`: by an index, whatever the size
//! of the tables. The statements are read from the sources, so that a new one is held to it too.

use rusqlite::types::Null;
use rusqlite::{Connection, params_from_iter};

use super::SCHEMA;

/// Asserts that the statements in `sources` use indexes. `scans` are the steps that go through a whole table or index, or sort,
/// all the same: a part of the statement, and the step.
pub(crate) fn assert_indexed(sources: &[&str], scans: &[(&str, &str)]) {
    let database = database();
    let statements: Vec<_> = sources.iter().copied().flat_map(statements).collect();
    assert!(statements.len() >= 3 * sources.len(), "{} statements", statements.len());
    for statement in &statements {
        assert_eq!(slow_steps(&database, statement, scans), [""; 0], "{statement}");
    }
    for (part, _) in scans {
        assert!(statements.iter().any(|statement| statement.contains(part)), "no statement has {part}");
    }
}

#[test]
fn a_slow_statement_is_seen() {
    let database = database();
    database.execute_batch("CREATE TABLE slow (a, b)").unwrap();
    assert_eq!(slow_steps(&database, "SELECT a FROM slow ORDER BY b", &[]).len(), 2);
}

fn database() -> Connection {
    let database = Connection::open_in_memory().unwrap();
    SCHEMA.migrations.iter().for_each(|script| database.execute_batch(script).unwrap());
    database
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
fn slow_steps(database: &Connection, statement: &str, scans: &[(&str, &str)]) -> Vec<String> {
    let mut plan = database.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
    let parameters = params_from_iter((0..plan.parameter_count()).map(|_| Null));
    let steps = plan.query_map(parameters, |row| row.get(3)).unwrap().collect::<Result<Vec<String>, _>>().unwrap();
    let is_known = |step: &str| scans.iter().any(|(known, scan)| statement.contains(known) && step == *scan);
    let is_scan = |step: &str| {
        step.starts_with("SCAN ") && !step.starts_with("SCAN (") && !["SCAN name", "SCAN CONSTANT ROW"].contains(&step)
    };
    let is_slow = |step: &str| step.contains("TEMP B-TREE") || is_scan(step);
    steps.into_iter().filter(|step| is_slow(step) && !is_known(step)).collect()
}
