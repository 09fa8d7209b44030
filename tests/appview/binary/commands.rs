//! The operator's commands: on a running registry through its admin socket, and on one that is not running.

use std::io::Write as _;

use data_encoding::BASE64;
use rusqlite::Connection;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::site::Site;
use crate::asked::Asked as _;
use crate::support::did_server::Reply;
use crate::support::other_user::{AS_NOBODY, can_be_nobody, give_to_nobody, of_root};

/// Puts a notice of this session into the queue of a registry.
fn queue_a_notice(site: &Site, session: i64) {
    let digest = format!("sha256:{}", "7".repeat(64));
    let notice = format!(
        r#"{{"repository":"app","userDid":"{0}","manifestDigest":"{digest}","operation":"push","manifest":{{"mediaType":"m","layers":[]}}}}"#,
        site.alice
    );
    let database = Connection::open(site.path("appview.db")).unwrap();
    let hold = format!("http://localhost:{}", site.network.port);
    let sql = "INSERT INTO notice (account, session, hold, notice, attempts, due_us, queued_us)
               VALUES (?1, ?4, ?2, ?3, 0, (unixepoch() + 3600) * 1000000, 1)";
    database.execute(sql, (site.alice.as_str(), hold, notice, session)).unwrap();
}

#[test]
fn what_a_command_leaves_that_root_runs_the_registry_can_use() {
    if !can_be_nobody(env!("CARGO_BIN_EXE_atcr-appview")) {
        let _ = std::io::stderr().write_all(b"skipped: commands by root: this user cannot become another one\n");
        return;
    }
    let mut site = Site::new();
    give_to_nobody(&site.path(""));
    site.wrap(&AS_NOBODY);
    assert_eq!(site.start().stop(), Some(0));
    // A restore has put the database alone into its place.
    std::fs::remove_dir_all(site.path("keys")).unwrap();
    std::fs::remove_dir(site.path("uploads")).unwrap();
    std::fs::remove_file(site.path("appview.db.lock")).unwrap();
    site.wrap(&[]);
    site.done(&["index", "rebuild"]);
    assert!(site.path("uploads").exists());
    let left = of_root(&site.path(""));
    assert!(left.is_empty(), "{left:?}");
    site.wrap(&AS_NOBODY);
    assert_eq!(site.start().stop(), Some(0));
}

#[test]
fn sessions_uploads_and_the_queue_are_shown_and_changed_whether_it_runs_or_not() {
    let site = Site::new();
    site.refuses(78, &["status"], &["there is no database", "start the registry once, or set ATCR_DATABASE_PATH"]);
    let daemon = site.start();
    site.hold_takes_uploads();
    let client = site.signed_in(&daemon);
    let uploads = format!("{}/blobs/uploads/", site.repository());
    for _ in 0..2 {
        assert_eq!(client.try_send("POST", &uploads, "", &[]).unwrap().status, 202);
    }
    assert_eq!(daemon.stop(), Some(0));
    queue_a_notice(&site, 1);
    let failed = "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    site.network.set("/xrpc/io.atcr.hold.notifyManifest", Reply::Raw(failed.into()));

    for running in [true, false] {
        let daemon = running.then(|| site.start());
        let shown = site.run(&["status", "--json"]);
        assert_eq!(shown.code, Some(i32::from(!running)), "{}", shown.stderr);
        let status: Value = serde_json::from_str(&shown.stdout).unwrap();
        let left = if running { 2 } else { 1 };
        assert_eq!((&status["running"], &status["uploads"]["open"]), (&running.into(), &left.into()), "{status}");
        assert_eq!(
            (&status["queue"]["waiting"], &status["database"]["problem"]),
            (&1.into(), &Value::Null),
            "{status}"
        );
        assert!(status["queue"]["oldestS"].as_u64().unwrap() > 1_000_000, "{status}");

        let listed = site.json_of(&["uploads", "list"]);
        let id = listed[0]["id"].as_str().unwrap();
        assert_eq!(
            (listed[0]["account"].as_str(), listed.as_array().unwrap().len()),
            (Some(site.alice.as_str()), left)
        );
        assert!(site.done(&["uploads", "list"]).contains(id));
        assert_eq!(site.done(&["uploads", "abort", id]), format!("upload {id} of {} is given up\n", site.alice));
        site.refuses(1, &["uploads", "abort", id], &["there is no such upload"]);
        site.refuses(1, &["uploads", "abort", "x"], &["32 hexadecimal digits"]);

        let listed = site.json_of(&["queue", "list"]);
        assert_eq!(
            (&listed[0]["repository"], &listed[0]["manifest"]),
            (&"app".into(), &format!("sha256:{}", "7".repeat(64)).into())
        );
        let retried = site.json_of(&["queue", "retry"]);
        assert_eq!((&retried["delivered"], &retried["waiting"]), (&0.into(), &1.into()), "its hold fails");
        let listed = site.json_of(&["queue", "list"]);
        assert!(listed[0]["attempts"].as_u64() >= Some(1) && listed[0]["problem"].is_string(), "{listed}");
        site.refuses(1, &["queue", "drop", "99"], &["there is no notice 99"]);
        if let Some(daemon) = daemon {
            daemon.wait_for_line("admin operation finished: queue.retry");
            assert_eq!(daemon.stop(), Some(0));
        }
    }
    assert_eq!(site.done(&["queue", "drop", "1"]), "notice 1 is dropped\n");
    let listed = site.json_of(&["sessions", "list"]);
    assert_eq!((listed[0]["account"].as_str(), &listed[0]["byOauth"]), (Some(site.alice.as_str()), &false.into()));
    let id = listed[0]["id"].to_string();
    site.network.set("/xrpc/com.atproto.server.deleteSession", Reply::Body("{}".into()));
    assert_eq!(site.done(&["sessions", "end", &id]), format!("session {id} of {} is ended\n", site.alice));
    site.refuses(1, &["sessions", "end", &id], &["there is no session"]);
}

#[test]
fn an_argument_that_is_no_number_is_told_which_list_has_it() {
    let site = Site::new();
    for group in [["sessions", "end"], ["queue", "drop"], ["webhooks", "disable"], ["devices", "revoke"]] {
        let [noun, verb] = group;
        let ended = site.run(&[noun, verb, "x"]);
        let wanted = format!("invalid value 'x' for '<ID>': it is the number that `{noun} list` shows");
        assert_eq!((ended.code, ended.stderr.contains(&wanted)), (Some(64), true), "{}", ended.stderr);
    }
}

#[test]
fn the_database_is_copied_while_it_is_written() {
    let site = Site::new();
    let copy = site.path("copy.db");
    let copy = copy.to_str().unwrap();
    site.refuses(78, &["backup", copy], &["there is no database"]);
    let daemon = site.start();
    site.hold_takes_uploads();
    site.signed_in(&daemon);
    let printed = site.done(&["backup", copy]);
    assert!(printed.contains("keys/auth.key") && printed.contains("The keys are not in it"), "{printed}");
    site.refuses(1, &["backup", copy], &["exists: name a new file"]);
    let copied = Connection::open(copy).unwrap();
    let sessions: i64 = copied.query_row("SELECT count(*) FROM pds_session", [], |row| row.get(0)).unwrap();
    assert_eq!(sessions, 1);
    assert_eq!(daemon.anonymous().get("/_health").status, 200);
}

#[test]
fn units_configuration_and_manual_need_no_state() {
    let mut site = Site::new();
    let printed = site.done(&["systemd-units"]);
    for line in
        ["Type=notify-reload", "ProtectSystem=strict", "ListenStream=/run/atcr-appview.sock", "SocketGroup=www-data"]
    {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    assert!(
        printed.contains("\nExecStart=/usr/local/bin/atcr-appview --config /etc/atcr-appview/config.toml"),
        "{printed}"
    );
    assert!(site.done(&["manual"]).lines().any(|line| line.starts_with("monitoring ")));
    assert!(site.done(&["manual", "configuration"]).contains("ATCR_BASE_URL"));
    site.set("ATCR_JETSTREAM_URLS", "wss://jetstream.example");
    let checked = site.run(&["check-config"]);
    assert_eq!(checked.code, Some(0));
    assert!(checked.stdout.contains("jetstream_urls = [\"wss://jetstream.example\"]"), "{}", checked.stdout);
    assert_eq!(checked.stderr, "");
    for command in [
        "status",
        "accounts",
        "sessions",
        "devices",
        "uploads",
        "queue",
        "index",
        "backup",
        "systemd-units",
        "check-config",
        "serve",
    ] {
        assert!(site.run(&[command, "--help"]).stdout.contains("Usage: atcr-appview"), "{command}");
    }
    assert_eq!(site.run(&["nonsense"]).code, Some(64));
    assert!(!site.path("appview.db").exists());
}

#[test]
fn devices_are_listed_and_taken_back_whether_it_runs_or_not() {
    let site = Site::new();
    let daemon = site.start();
    let other = "did:web:other.example";
    let database = Connection::open(site.path("appview.db")).unwrap();
    let let_in = |account: &str, secret: &str| {
        let sql = "INSERT INTO device (account, secret, name, address, created_us, used_us)
                   VALUES (?1, ?2, 'laptop', '127.0.0.1', 1, 0)";
        let hash = Sha256::digest(secret.as_bytes());
        assert_eq!(database.execute(sql, (account, &hash[..])).unwrap(), 1);
    };
    let (alice, secret) = (site.alice.as_str(), format!("atcr_device_{}", "7".repeat(43)));
    let_in(alice, &secret);
    let_in(other, "x");
    let listed = site.json_of(&["devices", "list"]);
    assert_eq!((&listed[0]["account"], &listed[1]["account"]), (&other.into(), &alice.into()), "the newest first");
    assert_eq!((&listed[1]["name"], &listed[1]["usedAt"]), (&"laptop".into(), &Value::Null));
    assert!(!listed.to_string().contains("secret"), "{listed}");
    let own = site.json_of(&["devices", "list", alice]);
    assert_eq!((own.as_array().unwrap().len(), &own[0]["id"]), (1, &listed[1]["id"]));
    assert_eq!(site.run(&["devices", "list", "alice"]).code, Some(64));
    let id = own[0]["id"].to_string();
    let signs_in = || {
        let credentials = BASE64.encode(format!("alice.test:{secret}").as_bytes());
        let header = format!("Authorization: Basic {credentials}\r\n");
        let answer = daemon.anonymous().try_send("GET", "/auth/token?service=localhost:5000", &header, &[]).unwrap();
        answer.text().to_owned()
    };
    assert!(signs_in().contains("session at the account's PDS has ended"), "the device is known: {}", signs_in());
    let taken = site.done(&["devices", "revoke", &id]);
    assert_eq!(taken, format!("device {id} of {alice}, laptop, is revoked\n"));
    assert!(signs_in().contains("no device here has this secret"), "{}", signs_in());
    site.refuses(1, &["devices", "revoke", &id], &["there is no device"]);
    assert_eq!(daemon.stop(), Some(0));
    assert!(site.done(&["devices", "list"]).contains("127.0.0.1"));
    let id = listed[0]["id"].to_string();
    assert!(site.done(&["devices", "revoke", &id]).contains("is revoked"));
    assert_eq!(site.json_of(&["devices", "list"]), serde_json::json!([]));
}

/// Adds 1,100 uploads and notices of another account: lists show 1,000.
fn adds_more_than_a_list_shows(database: &Connection) {
    const MANY: &str = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1100)";
    let uploads = "INSERT INTO upload (id, account, session, repository, hold, hold_upload, offset_bytes, sent_bytes,
                   hash_state, touched_us) SELECT randomblob(16), 'did:web:other.example', 9, 'app',
                   'http://localhost:1', 'u', 7, 7, x'', unixepoch() * 1000000 FROM number";
    let notices = "INSERT INTO notice (account, session, hold, notice, attempts, due_us, queued_us)
                   SELECT 'did:web:other.example', 9, 'http://localhost:1', '{}', 0, (unixepoch() + 3600) * 1000000, 1 FROM number";
    for rows in [uploads, notices] {
        assert_eq!(database.execute(&rows.replacen("SELECT", &format!("{MANY} SELECT"), 1), ()).unwrap(), 1100);
    }
}

#[test]
fn what_is_held_of_an_account_is_shown_and_deleted_and_nobody_elses() {
    let site = Site::new();
    let daemon = site.start();
    site.hold_takes_uploads();
    let client = site.signed_in(&daemon);
    let uploads = format!("{}/blobs/uploads/", site.repository());
    assert_eq!(client.try_send("POST", &uploads, "", &[]).unwrap().status, 202);
    assert_eq!(daemon.stop(), Some(0));
    queue_a_notice(&site, 1);
    let database = Connection::open(site.path("appview.db")).unwrap();
    for (number, account) in [(1, site.alice.as_str()), (2, "did:web:other.example")] {
        let device = "INSERT INTO device (account, secret, name, address, created_us, used_us)
                      VALUES (?1, ?2, 'laptop', '127.0.0.1', 1, 0)";
        database.execute(device, (account, [number; 32])).unwrap();
        let browser = "INSERT INTO browser_session (cookie, account, created_us, expires_us)
                       VALUES (?2, ?1, 1, 9000000000000000)";
        database.execute(browser, (account, [number; 32])).unwrap();
        let webhook = "INSERT INTO webhook (account, repository, url, secret, created_us)
                       VALUES (?1, 'app', 'https://ci.example.org/hook', 'only-signs', 1)";
        database.execute(webhook, [account]).unwrap();
    }
    adds_more_than_a_list_shows(&database);
    drop(database);
    let daemon = site.start();
    let alice = site.alice.as_str();
    let listed = site.json_of(&["accounts", "list"]);
    let held = |session: u64, upload: u64| serde_json::json!({ "sessions": session, "devices": 1, "browsers": 1, "uploads": upload, "notices": upload, "webhooks": 1 });
    assert_eq!(listed, serde_json::json!({ alice: held(1, 1), "did:web:other.example": held(0, 1100) }));
    let words = "1 session, 1 device, 1 browser, 1 open upload, 1 notice, 1 webhook";
    assert!(site.done(&["accounts", "show", alice]).contains(words));
    let exported: Value = serde_json::from_str(&site.done(&["accounts", "export", alice])).unwrap();
    assert_eq!((&exported["devices"][0]["name"], &exported["account"]), (&"laptop".into(), &alice.into()));
    assert_eq!(exported["webhooks"][0]["url"], "https://ci.example.org/hook");
    assert!(!exported.to_string().contains("only-signs"), "{exported}");
    assert!(!exported.to_string().contains("secret") && !exported.to_string().contains("cookie"), "{exported}");
    site.refuses(64, &["accounts", "delete", "alice"], &["DID"]);
    let failed = "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    site.network.set("/xrpc/io.atcr.hold.notifyManifest", Reply::Raw(failed.into()));
    let hold = format!("did:web:localhost%3A{}", site.network.port);
    let words = ["nothing of", "of 1 image the hold does not know yet", &hold, "--drop-notices"];
    site.refuses(1, &["accounts", "delete", alice], &words);
    assert_eq!(site.json_of(&["accounts", "list"])[alice], held(1, 1), "nothing was deleted");
    let deleted = site.done(&["accounts", "delete", alice, "--drop-notices"]);
    assert!(deleted.contains("is deleted here: 1 session, "), "{deleted}");
    assert!(deleted.contains("of 1 image the hold was not told, and may remove their layers: push again"), "{deleted}");
    assert!(deleted.contains("of a session: it goes on at the account's PDS, which could not end it ("), "{deleted}");
    let listed = site.json_of(&["accounts", "list"]);
    assert_eq!(listed, serde_json::json!({ "did:web:other.example": held(0, 1100) }), "nobody else's");

    // A hold that takes what it is told is told before.
    site.signed_in(&daemon);
    let session = site.json_of(&["sessions", "list"])[0]["id"].as_i64().unwrap();
    queue_a_notice(&site, session);
    let answer = r#"{"success":true,"operation":"push","statsUpdated":true}"#;
    site.network.set("/xrpc/io.atcr.hold.notifyManifest", Reply::Body(answer.into()));
    let deleted = site.done(&["accounts", "delete", alice]);
    assert!(deleted.contains(", 0 notices") && !deleted.contains("was not told"), "{deleted}");
    let told: Value = serde_json::from_slice(&site.network.last_body("/xrpc/io.atcr.hold.notifyManifest")).unwrap();
    assert_eq!((&told["userDid"], &told["repository"]), (&alice.into(), &"app".into()));
    assert_eq!(daemon.stop(), Some(0));
}
