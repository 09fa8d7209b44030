//! The schema of the hold's database: one script for each version, with the tables of all rooms, because they share one
//! file.
//!
//! The purpose of a table, and its SQL, are in the `tables` of the room that owns it.

#[cfg(test)]
#[path = "../../../tests/support/plans.rs"]
pub(crate) mod plans;

use std::path::Path;

use server::sqlite::{Database, OpenError, Schema};

/// The schema of the hold's database.
pub const SCHEMA: Schema = Schema {
    program: "atcr-hold",
    // "atcr" in ASCII, which `file` shows of the header.
    application_id: 0x6174_6372,
    migrations: &[
        include_str!("001_repo.sql"),
        include_str!("002_blobs.sql"),
        include_str!("003_record_blobs.sql"),
        include_str!("004_record_blocks.sql"),
        include_str!("005_bucket_uploads.sql"),
        include_str!("006_copies.sql"),
        include_str!("007_registry.sql"),
        include_str!("008_garbage.sql"),
        include_str!("009_uploaders.sql"),
        include_str!("010_names.sql"),
        include_str!("011_crew_bans.sql"),
        include_str!("012_layer_totals.sql"),
        include_str!("013_storage_marker.sql"),
        include_str!("014_growth.sql"),
        include_str!("015_push_counts.sql"),
        include_str!("016_known_documents.sql"),
        include_str!("017_account_usage.sql"),
    ],
};

/// Opens or creates the hold's database at `path`, locks it and migrates it to the newest version.
///
/// # Errors
/// [`OpenError`], with the remedy for the operator.
pub fn open(path: &Path) -> Result<Database, OpenError> {
    Database::open(path, &SCHEMA)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::SCHEMA;

    #[test]
    fn records_of_an_older_database_lead_to_their_blocks_also_when_it_is_vacuumed() {
        let database = Connection::open_in_memory().unwrap();
        SCHEMA.migrations[..3].iter().for_each(|script| database.execute_batch(script).unwrap());
        database
            .execute_batch(
                "INSERT INTO block (rowid, cid, rev, bytes) VALUES (3, x'03', '', x'33'), (7, x'07', '', x'77');
                 INSERT INTO record (collection, rkey, cid) VALUES ('c', 'a', x'07'), ('c', 'b', x'03'), ('c', 'd', x'07')",
            )
            .unwrap();
        SCHEMA.migrations[3..].iter().for_each(|script| database.execute_batch(script).unwrap());
        database.execute_batch("VACUUM").unwrap();
        let sql = "SELECT group_concat(rkey || number || hex(bytes)) FROM record JOIN block ON number = block
                   WHERE record.cid = block.cid";
        let found: String = database.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(found, "a777,b333,d777");
    }

    #[test]
    fn totals_are_made_of_what_an_older_database_has() {
        let database = Connection::open_in_memory().unwrap();
        SCHEMA.migrations[..13].iter().for_each(|script| database.execute_batch(script).unwrap());
        database
            .execute_batch(
                "INSERT INTO layer (rkey, account, digest, size_bytes, manifest) VALUES
                     ('a', 'did:plc:a', zeroblob(32), 4, 'm'), ('b', 'did:plc:a', zeroblob(32), 4, 'n');
                 INSERT INTO manifest (uri, account) VALUES ('m', 'did:plc:a'), ('n', 'did:plc:b');
                 INSERT INTO event (seq, time_us, frame) VALUES (1, 1, x'0102'), (2, 2, x'03')",
            )
            .unwrap();
        SCHEMA.migrations[13..].iter().for_each(|script| database.execute_batch(script).unwrap());
        let sql = "SELECT (SELECT bytes FROM event_total) || (SELECT group_concat(blobs || records) FROM layer_total) || \
                   (SELECT group_concat(account || manifests) FROM manifest_total)";
        let found: String = database.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(found, "312did:plc:a1,did:plc:b1");
    }

    #[test]
    fn what_counts_in_a_quota_is_made_of_what_an_older_database_has() {
        let database = Connection::open_in_memory().unwrap();
        SCHEMA.migrations[..16].iter().for_each(|script| database.execute_batch(script).unwrap());
        database
            .execute_batch(
                "INSERT INTO blob (digest, size_bytes, completed_us) VALUES
                     (zeroblob(32), 4, 1), (randomblob(32), 50, 1), (randomblob(32), 600, 1);
                 INSERT INTO blob_uploader (digest, account) SELECT digest, 'a' FROM blob;
                 INSERT INTO blob_uploader (digest, account) SELECT digest, 'b' FROM blob WHERE size_bytes = 50;
                 INSERT INTO layer (rkey, account, digest, size_bytes, manifest) VALUES ('r', 'a', zeroblob(32), 4, 'm');
                 INSERT INTO manifest (uri, account, config) SELECT 'm', 'a', digest FROM blob WHERE size_bytes = 600;
                 INSERT INTO upload (id, account, touched_us) VALUES (zeroblob(16), 'b', 1);
                 INSERT INTO upload_part (upload, number, size_bytes, etag, file) VALUES
                     (zeroblob(16), 1, 7, 'e', 'f'), (zeroblob(16), 2, 8, 'e', 'f')",
            )
            .unwrap();
        SCHEMA.migrations[16..].iter().for_each(|script| database.execute_batch(script).unwrap());
        let sql =
            "SELECT group_concat(account || ':' || layer_bytes || ':' || config_bytes || ':' || unreferenced_bytes)
                   || ' ' || (SELECT staged_bytes FROM upload) FROM account_usage";
        let found: String = database.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(found, "a:4:600:50,b:0:0:50 15");
    }

    #[test]
    fn what_an_older_database_has_keeps_its_rows_under_new_names() {
        let database = Connection::open_in_memory().unwrap();
        SCHEMA.migrations[..9].iter().for_each(|script| database.execute_batch(script).unwrap());
        database
            .execute_batch(
                "INSERT INTO note (name, value) VALUES ('declared_crew', '[]');
                 INSERT INTO doomed (digest, size_bytes, removed_us) VALUES (zeroblob(32), 6, 7);
                 INSERT INTO blob (digest, size_bytes, completed_us, asked_us) VALUES (zeroblob(32), 6, 7, 8);
                 INSERT INTO upload (id, account, touched_us) VALUES (zeroblob(16), 'did:plc:a', 1);
                 INSERT INTO bucket_upload (upload, multipart, unseen) VALUES (zeroblob(16), 'm', 1)",
            )
            .unwrap();
        SCHEMA.migrations[9..].iter().for_each(|script| database.execute_batch(script).unwrap());
        let sql = "SELECT value || removed_us || last_used_us || bypassed_hold
                   FROM meta, pending_deletion, blob, bucket_upload";
        let found: String = database.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(found, "[]781");
        let refused = database.execute("UPDATE bucket_upload SET bypassed_hold = 2", []);
        assert!(refused.is_err(), "the check went along");
    }
}
