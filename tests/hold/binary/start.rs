//! Starting, and refusing to start: what is made, what is said, and that nothing is touched.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use atcr_hold::objects::Credentials;

use super::site::Site;
use crate::objects::buckets_here;

/// That the hold says why it does not start, in one line with these words, and leaves everything as it is.
#[track_caller]
fn refuses_with(code: i32, site: &Site, words: &[&str]) {
    let before = site.snapshot();
    let ended = site.run(&[]);
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "no {word:?} in {}", ended.stderr);
    }
    assert!(site.snapshot() == before, "something was touched");
    assert_eq!(ended.stdout, "");
}

#[track_caller]
fn refuses(site: &Site, words: &[&str]) {
    refuses_with(78, site, words);
}

/// A site with a repository, stopped.
fn used() -> Site {
    let site = Site::new();
    let daemon = site.start();
    assert_eq!(daemon.stop(), Some(0));
    // Nothing is left to be written into the database by whoever opens it next.
    assert!(!site.path("hold.db-wal").exists());
    site
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn five_variables_are_enough() {
    let mut site = Site::new();
    // These two only keep the test from looking for accounts elsewhere; the address is the one that tests must set.
    site.unset("HOLD_PLC_DIRECTORY_URL");
    site.unset("TEST_MODE");
    let daemon = site.start();
    let key = site.path("keys/signing.key");
    assert_eq!((mode(&key), mode(key.parent().unwrap())), (0o600, 0o700));
    let identity = daemon.anonymous().get("/.well-known/did.json");
    assert_eq!((identity.status, identity.field("id")), (200, "did:web:localhost%3A8080".into()));
    assert_eq!(daemon.anonymous().get("/xrpc/_health").status, 200);
    assert_eq!(daemon.stop(), Some(0));

    let before = std::fs::read(&key).unwrap();
    let daemon = site.start();
    assert_eq!(daemon.anonymous().get("/.well-known/did.json").json(), identity.json());
    assert_eq!(std::fs::read(&key).unwrap(), before);
}

#[test]
fn an_owner_who_does_not_exist_is_told() {
    let mut site = Site::new();
    site.set("HOLD_OWNER", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa");
    let daemon = site.start();
    assert_eq!(daemon.anonymous().get("/").status, 200);
    daemon.wait_for_line("the owner has no DID document, so that nobody is captain; correct owner (HOLD_OWNER)");
}

#[test]
fn help_version_and_wrong_usage() {
    let site = Site::new();
    let before = site.snapshot();
    let help = site.run(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for word in ["serve", "check-config", "--config", "HOLD_PUBLIC_URL", "HOLD_OWNER", "STORAGE_ROOT_DIR", "78"] {
        assert!(help.stdout.contains(word), "no {word:?} in {}", help.stdout);
    }
    let version = site.run(&["--version"]);
    assert_eq!((version.code, version.stdout), (Some(0), format!("atcr-hold {}\n", env!("CARGO_PKG_VERSION"))));
    for wrong in [&["--colour"][..], &["launch"], &["--config"], &["serve", "now"]] {
        let ended = site.run(wrong);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(64), ""), "{wrong:?}");
        assert!(ended.stderr.contains("--help"), "{}", ended.stderr);
    }
    assert!(site.snapshot() == before, "something was touched");
}

#[test]
fn a_wrong_configuration_is_refused() {
    let mut site = Site::new();
    site.unset("HOLD_PUBLIC_URL");
    refuses(&site, &["HOLD_PUBLIC_URL", "is not set", "https://"]);

    let mut site = Site::new();
    site.set("HOLD_OWNER", "alice.example.org");
    refuses(&site, &["HOLD_OWNER", "(from the environment)"]);

    let mut site = Site::new();
    site.set("STORAGE_DRIVER", "s3");
    refuses(&site, &["S3_BUCKET", "is not set"]);

    let mut site = Site::new();
    site.configure("pubic = true\n");
    refuses(&site, &["pubic", "is it \"public\"?", "config.toml"]);

    let mut site = Site::new();
    site.configure("log_level = \"atcr_hold=loud\"\n");
    refuses(&site, &["log_level", "error, warn, info"]);

    let site = Site::new();
    std::fs::write(site.path(".env"), "AWS_SECRET_ACCESS_KEY hunter2\n").unwrap();
    refuses(&site, &[".env", "NAME=value"]);
}

#[test]
fn check_config_shows_what_a_start_would_use() {
    let mut site = Site::new();
    site.set("AWS_SECRET_ACCESS_KEY", "hunter2");
    std::fs::write(site.path(".env"), "HOLD_PUBLIC=true\nHOLD_OWNER=did:plc:overridden\n").unwrap();
    site.configure("public = false\nregion = \"harbour\"\n");
    let shown = site.run(&["check-config", "--env-file", ".env"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    let keys = format!("key_path = \"{}\"", site.path("keys").display());
    let owner = format!("owner = \"{}\"", site.alice.did);
    for line in ["public = true", "region = \"harbour\"", "secret_access_key = \"********\"", &keys, &owner] {
        assert!(shown.stdout.lines().any(|shown| shown == line), "no {line} in\n{}", shown.stdout);
    }
    assert!(!shown.stdout.contains("hunter2"));

    // What it prints is a configuration itself.
    site.configure(&shown.stdout.replace("secret_access_key = \"********\"\n", ""));
    assert_eq!(site.run(&["check-config"]).stdout, shown.stdout);

    site.configure("[limits]\ndrain_s = \"soon\"\n");
    let refused = site.run(&["check-config"]);
    assert_eq!((refused.code, refused.stdout.as_str(), refused.stderr.lines().count()), (Some(78), "", 1));
    assert!(refused.stderr.contains("limits.drain_s"), "{}", refused.stderr);
    site.configure(&format!("[profile]\navatar = \"{}\"\n", site.path("config.toml").display()));
    let refused = site.run(&["check-config"]);
    assert_eq!((refused.code, refused.stderr.lines().count()), (Some(78), 1));
    assert!(refused.stderr.contains("profile.avatar (HOLD_PROFILE_AVATAR)"), "{}", refused.stderr);
    assert!(refused.stderr.contains("neither PNG nor JPEG"), "{}", refused.stderr);
    std::fs::remove_file(site.path("config.toml")).unwrap();
    assert!(site.run(&["check-config"]).stderr.contains("there is no such file"));
    std::fs::create_dir(site.path("config.toml")).unwrap();
    assert!(site.run(&["check-config"]).stderr.contains("--config names it, but it is not a regular file"));
    std::fs::remove_dir(site.path("config.toml")).unwrap();
    assert!(!site.path("hold.db").exists() && !site.path("keys").exists(), "a check started something");
}

#[test]
fn a_variable_that_is_not_utf8_is_told() {
    let mut site = Site::new();
    site.set("HOLD_PROFILE_DISPLAY_NAME", OsString::from_vec(b"M\xfcnchen".to_vec()));
    let shown = site.run(&["check-config"]);
    let told = "HOLD_PROFILE_DISPLAY_NAME (from the environment) is not UTF-8, and is ignored";
    assert!(shown.code == Some(0) && shown.stderr.contains(told), "{}", shown.stderr);
}

#[test]
fn missing_directories_are_named() {
    let site = Site::new();
    std::fs::remove_dir(site.path("blobs")).unwrap();
    refuses(&site, &[site.path("blobs").to_str().unwrap(), "create it"]);
    std::fs::write(site.path("blobs"), "a file").unwrap();
    refuses(&site, &[site.path("blobs").to_str().unwrap(), "create it"]);

    let mut site = Site::new();
    site.set("HOLD_DATABASE_PATH", site.path("state/hold.db"));
    refuses(&site, &[site.path("state/hold.db").to_str().unwrap(), "create its directory"]);

    // Found when the directory is there: before there is a key and a repository.
    let site = Site::new();
    std::fs::write(site.path("blobs/uploads"), "not a directory").unwrap();
    let ended = site.run(&[]);
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    let named = format!("storage directory {} cannot be used: its folder uploads: ", site.path("blobs").display());
    assert!(ended.stderr.contains(&named), "{}", ended.stderr);
    assert!(!site.path("keys").exists(), "a key was made");

    let mut site = Site::new();
    site.set("HOLD_ADMIN_SOCKET", site.path(&format!("{}admin.sock", "long/".repeat(30))));
    refuses(&site, &["admin.socket (HOLD_ADMIN_SOCKET)", "at most 101 bytes"]);

    // A mount that is missing beside a database that is there.
    let site = used();
    std::fs::remove_dir_all(site.path("blobs")).unwrap();
    refuses(&site, &[site.path("blobs").to_str().unwrap(), "create it"]);
}

#[test]
fn the_identity_is_never_changed() {
    let site = used();
    let key = site.path("keys/signing.key");
    let text = key.to_str().unwrap().to_owned();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o640)).unwrap();
    refuses(&site, &[&text, "chmod 600"]);
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();

    let aside = site.path("aside.key");
    std::fs::rename(&key, &aside).unwrap();
    refuses(&site, &[&text, "is missing", "restore", "nothing was changed"]);
    std::fs::remove_dir(site.path("keys")).unwrap();
    refuses(&site, &[&text, "is missing", "restore"]);
    std::fs::create_dir(site.path("keys")).unwrap();

    std::fs::write(&key, format!("{}\n", "17".repeat(32))).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    refuses(&site, &["key", "restore", "nothing was changed"]);
    std::fs::write(&key, "short\n").unwrap();
    refuses(&site, &[&text, "damaged", "restore"]);
    std::fs::rename(&aside, &key).unwrap();

    let mut site = site;
    site.set("HOLD_PUBLIC_URL", "http://localhost:8081");
    refuses(&site, &["did:web:localhost%3A8080", "HOLD_PUBLIC_URL", "nothing was changed"]);
    site.set("HOLD_PUBLIC_URL", "http://localhost:8080");
    site.set("HOLD_DID", "did:plc:z72i7hdynmk6r22z27h6tvur");
    refuses(&site, &["did:web:localhost%3A8080", "without HOLD_DID", "nothing was changed"]);
    site.unset("HOLD_DID");
    assert_eq!(site.start().stop(), Some(0));
}

#[test]
fn a_key_file_that_cannot_be_used_is_told_before_the_storage_is_marked() {
    let site = Site::new();
    let key = site.path("keys/signing.key");
    std::fs::create_dir(site.path("keys")).unwrap();
    for (text, mode, words) in [(&*"17".repeat(32), 0o644, "chmod 600"), ("short", 0o600, "damaged")] {
        std::fs::write(&key, text).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
        let ended = site.run(&[]);
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(78), 1), "{}", ended.stderr);
        assert!(ended.stderr.contains(words) && ended.stderr.contains(key.to_str().unwrap()), "{}", ended.stderr);
        assert!(!site.path("blobs/docker").exists(), "the storage was marked");
    }
}

#[test]
fn a_database_that_is_not_ours_is_left_alone() {
    let database = |site: &Site| site.path("hold.db").to_str().unwrap().to_owned();

    let site = Site::new();
    std::fs::write(site.path("hold.db"), "these are no pages".repeat(1000)).unwrap();
    refuses(&site, &[&database(&site), "restore it"]);

    // Another program's, in the journal mode that we do not use.
    let site = Site::new();
    let other = rusqlite::Connection::open(site.path("hold.db")).unwrap();
    other.execute_batch("CREATE TABLE account (did TEXT); INSERT INTO account VALUES ('did:plc:x');").unwrap();
    drop(other);
    refuses(&site, &[&database(&site), "another program"]);

    let site = used();
    let newer = rusqlite::Connection::open(site.path("hold.db")).unwrap();
    newer.pragma_update(None, "user_version", 1000).unwrap();
    drop(newer);
    refuses(&site, &[&database(&site), "1000", "start the newer", "or restore a backup of before it"]);
}

#[test]
fn a_damaged_database_is_left_alone() {
    let site = used();
    let path = site.path("hold.db");
    let whole = std::fs::read(&path).unwrap();
    for kept in [100, 4096, whole.len() / 2, whole.len() - 4096] {
        std::fs::write(&path, &whole[..kept]).unwrap();
        refuses(&site, &[path.to_str().unwrap(), "damaged", "restore"]);
    }
    let mut overwritten = whole.clone();
    overwritten[4096..].fill(0xAA);
    std::fs::write(&path, &overwritten).unwrap();
    refuses(&site, &[path.to_str().unwrap(), "damaged", "restore"]);
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(site.start().stop(), Some(0));
}

#[test]
fn a_second_daemon_leaves_the_first_alone() {
    let site = Site::new();
    let daemon = site.start();
    let client = daemon.client(&site.alice);
    client.push(b"before");
    let second = site.run(&[]);
    assert_eq!((second.code, second.stderr.lines().count()), (Some(1), 1), "{}", second.stderr);
    for word in [site.path("hold.db").to_str().unwrap(), "in use", "stop that one first"] {
        assert!(second.stderr.contains(word), "{}", second.stderr);
    }
    client.push(b"after");
    assert_eq!(client.pull(b"before").unwrap(), b"before");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_port_in_use_is_named() {
    let mut site = Site::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    site.set("HOLD_SERVER_ADDR", &address);
    refuses_with(1, &site, &[&address, "in use", "HOLD_SERVER_ADDR"]);
}

#[test]
fn a_bucket_that_cannot_be_used_is_told_before_anything_is_made() {
    for bucket in buckets_here() {
        let settings = bucket.settings;
        let Credentials::Keys { id, secret, .. } = &settings.credentials else { panic!("keys were given") };
        let mut site = Site::new();
        site.set("STORAGE_DRIVER", "s3");
        site.set("S3_ENDPOINT", settings.endpoint.as_deref().unwrap());
        site.set("AWS_REGION", &settings.region);
        site.set("AWS_ACCESS_KEY_ID", id.as_str());
        site.set("AWS_SECRET_ACCESS_KEY", secret.as_str());
        site.set("S3_BUCKET", "there-is-no-such-bucket");
        refuses(&site, &["S3_BUCKET"]);
        site.set("S3_BUCKET", &settings.bucket);
        site.set("AWS_SECRET_ACCESS_KEY", "wrong");
        refuses(&site, &["correct"]);
        // Nothing listens on port 1.
        site.set("S3_ENDPOINT", "http://127.0.0.1:1");
        refuses_with(1, &site, &["S3_ENDPOINT", "cannot be reached"]);
    }
}

#[test]
fn the_dotenv_of_another_project_does_not_count_where_a_file_is_named() {
    let mut site = Site::new();
    site.configure("");
    std::fs::write(site.path(".env"), "S3_BUCKET=of-another-project\nHOLD_OWNR=x\n").unwrap();
    site.set("HOLD_SERVER_ADR", ":1");
    let shown = site.run(&["check-config"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(!shown.stdout.contains("of-another-project"), "{}", shown.stdout);
    let warnings: Vec<_> = shown.stderr.lines().collect();
    assert!(warnings[0].contains(".env is not read") && warnings[0].contains("--env-file"), "{warnings:?}");
    assert!(warnings[1].contains("HOLD_SERVER_ADR") && warnings[1].contains("is it HOLD_SERVER_ADDR?"), "{warnings:?}");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    // Without a named file it counts.
    let site = Site::new();
    std::fs::write(site.path(".env"), "HOLD_OWNR=x\n").unwrap();
    let shown = site.run(&["check-config"]);
    assert!(
        shown.stderr.contains("HOLD_OWNR (from .env)") && shown.stderr.contains("is it HOLD_OWNER?"),
        "{}",
        shown.stderr
    );
}
