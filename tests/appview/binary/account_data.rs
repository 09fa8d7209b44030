//! What is held of an account, table by table: all of it is in the export, and goes with the account. A table that this file
//! does not know fails the test.

use rusqlite::Connection;
use serde_json::Value;

use super::site::Site;
use crate::support::program::Ended;

/// A table with rows of accounts, the statement that adds one of the account ?1, and where the export has it. What must never
/// be in the export is SECRET.
struct Rows {
    table: &'static str,
    insert: &'static str,
    place: &'static str,
}

const fn rows(table: &'static str, insert: &'static str, place: &'static str) -> Rows {
    Rows { table, insert, place }
}

const OF_ACCOUNTS: [Rows; 19] = [
    rows(
        "pds_session",
        "INSERT INTO pds_session (account, password, access, refresh, proven_us)
         VALUES (?1, zeroblob(32), 'SECRET', 'SECRET', 5)",
        "/sessions",
    ),
    rows(
        "sign_in",
        "INSERT INTO sign_in (state, browser, account, issuer, verifier, key, expires_us)
         VALUES (randomblob(32), zeroblob(32), ?1, 'http://localhost:1', 'SECRET', zeroblob(32), 9000000000000000)",
        "/signIns",
    ),
    rows(
        "upload",
        "INSERT INTO upload (id, account, session, repository, hold, hold_upload, offset_bytes, sent_bytes, hash_state, touched_us)
         VALUES (randomblob(16), ?1, 1, 'app', 'http://localhost:1', 'SECRET', 7, 7, x'', unixepoch() * 1000000)",
        "/uploads",
    ),
    rows(
        "notice",
        "INSERT INTO notice (account, session, hold, notice, attempts, due_us, queued_us)
         VALUES (?1, 1, 'http://localhost:1', '{\"repository\":\"app\",\"manifestDigest\":\"sha256:7\"}', 0, (unixepoch() + 3600) * 1000000, 1)",
        "/notices",
    ),
    rows(
        "refused_notice",
        "INSERT INTO refused_notice (account, manifest, hold, repository, problem, refused_us)
         VALUES (?1, 'sha256:7', 'http://localhost:1', 'app', 'no', 9000000000000000)",
        "/refused",
    ),
    rows(
        "device_request",
        "INSERT INTO device_request (code, user_code, name, created_us, expires_us, polled_us, interval_s, account)
         VALUES (randomblob(32), hex(randomblob(4)), 'a program', 1, 9000000000000000, 0, 5, ?1)",
        "/requests",
    ),
    rows(
        "device",
        "INSERT INTO device (account, secret, name, created_us, used_us) VALUES (?1, randomblob(32), 'laptop', 1, 0)",
        "/devices",
    ),
    rows(
        "ended_session",
        "INSERT INTO ended_session (account, refresh, ended_us, due_us) VALUES (?1, 'SECRET', 1, 9000000000000000)",
        "/endedSessions",
    ),
    rows(
        "browser_session",
        "INSERT INTO browser_session (cookie, account, created_us, expires_us)
         VALUES (randomblob(32), ?1, 1, 9000000000000000)",
        "/browsers",
    ),
    rows(
        "referrer",
        "INSERT INTO referrer (account, subject, digest, media_type, size_bytes, pushed_us)
         VALUES (?1, zeroblob(32), zeroblob(32), 'text/plain', 5, 1)",
        "/referrers",
    ),
    rows(
        "pushed_repository",
        "INSERT INTO pushed_repository (account, name, hold, pushed_us) VALUES (?1, 'app', 'http://localhost:1', 1)",
        "/repositories",
    ),
    rows(
        "webhook",
        "INSERT INTO webhook (account, repository, url, secret, created_us)
         VALUES (?1, 'app', 'https://ci.example/told', 'SECRET', 1)",
        "/webhooks",
    ),
    rows(
        "webhook_delivery",
        "INSERT INTO webhook_delivery (webhook, event, kind, payload, queued_us, attempts, tried_us, status, problem)
         SELECT id, 'one', 'push', '{\"tag\":\"v1\",\"image\":\"SECRET\"}', 1, 1, 2, 500, 'it answered 500' FROM webhook
         WHERE account = ?1",
        "/webhooks/0/deliveries",
    ),
    rows(
        "index_crew",
        "INSERT INTO index_crew (hold, member) SELECT did, ?1 FROM index_hold",
        "/crewOf",
    ),
    rows("index_account", "INSERT INTO index_account (did, records) VALUES (?1, 3)", "/index"),
    rows(
        "index_repository",
        "INSERT INTO index_repository (account, name) SELECT id, 'app' FROM index_account WHERE did = ?1",
        "/index/repositories",
    ),
    rows(
        "index_tag",
        "INSERT INTO index_tag (account, key, repository, tag, digest, written_us)
         SELECT r.account, 'k', r.id, 'v1', zeroblob(32), 1 FROM index_repository AS r
         WHERE r.account = (SELECT id FROM index_account WHERE did = ?1)",
        "/index/tags",
    ),
    rows(
        "index_manifest",
        "INSERT INTO index_manifest (account, digest, repository, hold, description, platforms, size_bytes, created_us)
         SELECT r.account, zeroblob(32), r.id, '', '', '', 1, 1 FROM index_repository AS r
         WHERE r.account = (SELECT id FROM index_account WHERE did = ?1)",
        "/index/manifests",
    ),
    rows(
        "index_star",
        "INSERT INTO index_star (account, key, owner, name) SELECT id, 'k', 'did:web:starred.example', 'app' FROM index_account
         WHERE did = ?1",
        "/index/stars",
    ),
];

/// Tables without rows of an account, and why.
const OTHERS: [(&str, &str); 4] = [
    ("upload_part", "goes with its upload"),
    ("index_hold", "what holds say of themselves"),
    ("index_cursor", "how far the network was followed"),
    ("index_text", "the words of repositories of the index, which go with them"),
];

const OTHER: &str = "did:web:other.example";

/// All tables but those that SQLite makes for itself.
fn tables(database: &Connection) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
               AND name NOT LIKE 'index_text_%' ORDER BY name";
    let mut statement = database.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// How many rows of a table name this account, in whatever column.
fn naming(database: &Connection, table: &str, account: &str) -> u32 {
    let all = database.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let is_named = |column: &str| format!("coalesce(instr({column}, ?1), 0) > 0");
    let columns: Vec<_> = all.column_names().map(is_named).collect();
    let sql = format!("SELECT count(*) FROM {table} WHERE {}", columns.join(" OR "));
    database.query_row(&sql, [account], |row| row.get(0)).unwrap()
}

#[test]
fn every_table_with_rows_of_an_account_is_in_its_export_and_goes_with_it() {
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    let alice = site.alice.as_str();
    let open = || Connection::open(site.path("appview.db")).unwrap();
    let database = open();
    for table in tables(&database) {
        let is_known =
            OF_ACCOUNTS.iter().any(|rows| rows.table == table) || OTHERS.iter().any(|(name, _)| *name == table);
        assert!(
            is_known,
            "the table {table} is new: if it has rows of an account they belong into `web::Held` and `Web::forget`, and into \
             OF_ACCOUNTS of this test; else it belongs into OTHERS, with the reason"
        );
    }
    database
        .execute("INSERT INTO index_hold (did, ask_us) VALUES ('did:web:hold.example', 9000000000000000)", ())
        .unwrap();
    for account in [alice, OTHER] {
        for Rows { table, insert, .. } in &OF_ACCOUNTS {
            assert_eq!(database.execute(insert, [account]).unwrap(), 1, "{table}");
        }
    }
    drop(database);

    let export = |account| {
        let Ended { code, stdout, stderr } = site.run(&["accounts", "export", account]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        stdout
    };
    let exported = export(alice);
    assert!(!exported.contains("SECRET") && !exported.contains(OTHER), "{exported}");
    let exported: Value = serde_json::from_str(&exported).unwrap();
    for Rows { table, place, .. } in &OF_ACCOUNTS {
        let rows = exported.pointer(place).unwrap_or(&Value::Null);
        let is_there = rows.is_object() || rows.as_array().is_some_and(|rows| rows.len() == 1);
        assert!(is_there, "{table}: {place} of {exported}");
    }

    let deleted = site.run(&["accounts", "delete", alice, "--drop-notices"]);
    assert_eq!(deleted.code, Some(0), "{}", deleted.stderr);
    let database = open();
    for table in tables(&database).iter().filter(|table| *table != "index_text") {
        assert_eq!(naming(&database, table, alice), 0, "{table} still names the account");
    }
    for Rows { table, .. } in &OF_ACCOUNTS {
        let left: u32 = database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(left, 1, "{table}: the row of another account stays, and that alone");
    }
    drop(database);
    let of_other: Value = serde_json::from_str(&export(OTHER)).unwrap();
    assert!(
        OF_ACCOUNTS.iter().all(|rows| of_other.pointer(rows.place).is_some_and(|rows| !rows.is_null())),
        "{of_other}"
    );
}
