//! The schema of the front end's database: one migration script a version, with the tables of all rooms, for the
//! database is one file.
//!
//! The statements of a table, and its purpose, are in the `tables` of the room that owns it.

#[cfg(test)]
#[path = "../../../tests/support/plans.rs"]
mod plans;

use std::path::Path;

use server::sqlite::{Database, OpenError, Schema};

/// The schema of the front end's database.
pub const SCHEMA: Schema = Schema {
    program: "atcr-appview",
    // "atav" in ASCII: `file` shows it as the application id in the header.
    application_id: 0x6174_6176,
    migrations: &[
        include_str!("001_sessions.sql"),
        include_str!("002_uploads.sql"),
        include_str!("003_oauth.sql"),
        include_str!("004_devices.sql"),
        include_str!("005_operations.sql"),
        include_str!("006_referrers.sql"),
        include_str!("007_of_accounts.sql"),
        include_str!("008_any_length.sql"),
        include_str!("009_catalog.sql"),
        include_str!("010_of_holds.sql"),
        include_str!("011_browsers.sql"),
        include_str!("012_index.sql"),
        include_str!("013_index_accounts.sql"),
        include_str!("014_webhooks.sql"),
        include_str!("016_index_crew.sql"),
        include_str!("017_quiet_receivers.sql"),
        include_str!("018_refused_notices.sql"),
        include_str!("019_return_to.sql"),
        include_str!("020_ended_sessions.sql"),
    ],
};

/// Opens or creates the database at `path`, takes its lock and migrates it to the newest version.
///
/// # Errors
/// [`OpenError`], with a remedy for the operator.
pub fn open(path: &Path) -> Result<Database, OpenError> {
    Database::open(path, &SCHEMA)
}

#[cfg(test)]
mod tests {
    use super::plans::assert_indexed;
    use crate::index::tables::search;

    /// The files with SQL statements, but for those of searches, which are composed.
    const SOURCES: [&str; 19] = [
        include_str!("../accounts/tables/mod.rs"),
        include_str!("../catalog/tables/mod.rs"),
        include_str!("../accounts/tables/sign_ins.rs"),
        include_str!("../accounts/tables/ended.rs"),
        include_str!("../devices/tables/mod.rs"),
        include_str!("../web/tables/mod.rs"),
        include_str!("../uploads/tables/mod.rs"),
        include_str!("../images/tables/mod.rs"),
        include_str!("../images/tables/referrers.rs"),
        include_str!("../images/tables/refused.rs"),
        include_str!("../index/tables/mod.rs"),
        include_str!("../index/tables/account_records.rs"),
        include_str!("../index/tables/accounts.rs"),
        include_str!("../index/tables/holds.rs"),
        include_str!("../index/tables/indexed.rs"),
        include_str!("../index/tables/records.rs"),
        include_str!("../index/tables/stars.rs"),
        include_str!("../webhooks/tables/mod.rs"),
        include_str!("../webhooks/tables/deliveries.rs"),
    ];

    #[test]
    fn statements_go_by_indexes() {
        // Allowed scans: of tables whose rows are bounded in number, as those of the queue mostly are; of operations
        // that an operator starts; and of the metrics page, whose counts are kept for a hundred times the time that
        // they took.
        let counted = [
            (
                "FROM pushed_repository ORDER BY pushed_us",
                "SCAN pushed_repository USING INDEX pushed_repository_recent",
            ),
            (
                "DELETE FROM pushed_repository WHERE pushed_us <",
                "SCAN pushed_repository USING COVERING INDEX pushed_repository_recent",
            ),
            ("SELECT DISTINCT account FROM pushed_repository", "SCAN pushed_repository"),
            ("INSERT INTO sign_in", "SCAN sign_in USING COVERING INDEX sign_in_expires"),
            ("INSERT INTO device_request", "SCAN device_request USING COVERING INDEX device_request_expires"),
            ("SELECT address FROM device_request", "SCAN device_request USING COVERING INDEX device_request_address"),
            ("FROM sign_in WHERE account", "SCAN sign_in"),
            ("UPDATE sign_in SET browser", "SCAN sign_in"),
            ("FROM device_request WHERE account", "SCAN device_request"),
            ("UNION ALL SELECT 1 FROM device_request", "SCAN device_request"),
            ("FROM device ORDER BY id DESC LIMIT", "SCAN device"),
            ("count(*) FROM device GROUP BY account", "SCAN device USING COVERING INDEX device_account"),
            (
                "FROM browser_session WHERE expires_us > ?1 GROUP BY account",
                "SCAN browser_session USING INDEX browser_session_account",
            ),
            ("SELECT count(*) FROM pds_session", "SCAN pds_session USING COVERING INDEX pds_session_proven"),
            ("FROM pds_session ORDER BY proven_us", "SCAN pds_session USING INDEX pds_session_proven"),
            ("SELECT count(*), coalesce(sum(offset_bytes), 0) FROM upload", "SCAN upload"),
            ("(SELECT count(*) FROM upload)", "SCAN upload USING COVERING INDEX upload_touched"),
            ("FROM upload\n               ORDER BY touched_us", "SCAN upload USING INDEX upload_touched"),
            ("FROM upload GROUP BY account", "SCAN upload USING COVERING INDEX upload_account"),
            ("FROM notice GROUP BY account", "SCAN notice USING COVERING INDEX notice_account"),
            ("FROM notice ORDER BY queued_us", "SCAN notice USING INDEX notice_queued"),
            ("SELECT count(*), min(queued_us) FROM notice", "SCAN notice USING COVERING INDEX notice_queued"),
            ("UPDATE notice SET due_us = ?1", "SCAN notice"),
            ("coalesce(sum(records), 0)", "SCAN index_account USING COVERING INDEX index_account_records"),
            ("coalesce(sum(records), 0)", "SCAN index_repository USING COVERING INDEX index_repository_pulls"),
            ("SELECT count(*) FROM webhook", "SCAN webhook USING COVERING INDEX sqlite_autoindex_webhook_1"),
            ("FROM webhook GROUP BY account", "SCAN webhook USING COVERING INDEX sqlite_autoindex_webhook_1"),
            ("FROM webhook ORDER BY id LIMIT", "SCAN webhook"),
            (
                "FROM webhook_delivery WHERE due_us IS NOT NULL",
                "SCAN webhook_delivery USING INDEX webhook_delivery_due",
            ),
            // One step for each webhook with waiting deliveries.
            ("WITH RECURSIVE waiting", "SCAN waiting"),
            // One row, by its rowid.
            ("DELETE FROM index_text WHERE rowid", "SCAN index_text VIRTUAL TABLE INDEX 0:="),
            // Bounded by LIMIT.
            ("MATCH ?1 ORDER BY rowid DESC LIMIT ?3", "SCAN index_text VIRTUAL TABLE INDEX 192:M4"),
            ("MATCH ?1 ORDER BY rowid DESC LIMIT ?3", "SCAN t"),
            ("ORDER BY pushed_us LIMIT ?1", "SCAN index_repository USING COVERING INDEX index_repository_oldest"),
            ("FROM index_star LIMIT", "SCAN index_star USING COVERING INDEX index_star_subject"),
            // One step for each hold, each by an index.
            ("WITH RECURSIVE holds", "SCAN holds"),
            // Sorted: those of one account, of which the index takes a limited number.
            ("WHERE a.did = ?1 AND r.is_shown = 1 AND (r.stars", "USE TEMP B-TREE FOR ORDER BY"),
            ("WHERE a.did = ?1 AND r.is_shown = 1 AND (r.pulls", "USE TEMP B-TREE FOR ORDER BY"),
        ];
        let searches = format!("\"{}\"", search::statements().join("\" \""));
        assert_indexed(&[&SOURCES[..], &[&searches]].concat(), &counted);
    }
}
