//! What the service manager is told, and what it asks for: signs of life, and to read the configuration again.

use rusqlite::Connection;

use super::process::Daemon;
use super::site::Site;
use crate::support::manager::{ALIVE, Manager};

#[test]
fn signs_of_life_come_only_while_the_database_answers() {
    let mut site = Site::new();
    let manager = Manager::of(&mut site);
    site.set("WATCHDOG_USEC", "300000");
    let daemon = site.start();
    assert!(manager.told().starts_with("READY=1\n"));
    for _ in 0..3 {
        assert_eq!(manager.told(), ALIVE);
    }

    let database = Connection::open(site.path("hold.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    manager.falls_silent(&daemon);
    // Nothing that needs no write has suffered.
    assert_eq!(daemon.anonymous().get("/xrpc/_health").status, 200);

    database.execute_batch("ROLLBACK").unwrap();
    assert_eq!(manager.told(), ALIVE);
}

#[test]
fn nobody_is_told_who_does_not_ask() {
    let mut site = Site::new();
    let manager = Manager::of(&mut site);
    let daemon = site.start();
    assert!(manager.told().starts_with("READY=1\n"));
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(manager.told(), "STOPPING=1\n");
    assert_eq!(manager.heard(), None);
}

#[test]
fn a_start_waits_for_a_database_that_somebody_has_and_says_so() {
    let mut site = Site::new();
    // Whoever has the database has its lock.
    let lock = std::fs::File::create(site.path("hold.db.lock")).unwrap();
    lock.lock().unwrap();
    let manager = Manager::of(&mut site);
    let waiting = std::thread::scope(|scope| {
        let starting = scope.spawn(|| site.start());
        let told = manager.told();
        lock.unlock().unwrap();
        let daemon = starting.join().unwrap();
        assert_eq!(daemon.anonymous().get("/xrpc/_health").status, 200);
        told
    });
    assert!(
        waiting.contains("STATUS=waiting to start: database") && waiting.contains("EXTEND_TIMEOUT_USEC="),
        "{waiting}"
    );
    assert!(manager.told().starts_with("READY=1\n"));
}

/// Writes a configuration, sends SIGHUP, and answers what the manager is told at the end of it.
fn reload(site: &mut Site, daemon: &Daemon, manager: &Manager, toml: &str) -> String {
    site.configure(toml);
    daemon.signal("HUP");
    let begun = manager.told();
    let time = begun.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    assert!(time.trim_end().parse::<u64>().unwrap() > 0);
    let ended = manager.told();
    ended.strip_prefix("READY=1\nSTATUS=").unwrap().to_owned()
}

#[test]
fn a_hangup_reads_the_configuration_again() {
    let mut site = Site::new();
    let manager = Manager::of(&mut site);
    let mates = format!("[crew.\"{}\"]\npermissions = [\"blob:write\"]\n", site.bob.did);
    site.configure("");
    let mut daemon = site.start();
    let client = daemon.client(&site.bob);
    let status = manager.told();
    let expected =
        format!("; blobs in {}; captain {}; crew 1; open uploads 0\n", site.path("blobs").display(), site.alice.did);
    assert!(status.ends_with(&expected), "{status}");
    assert_eq!(client.try_initiate().unwrap().status, 403);

    let status = reload(&mut site, &daemon, &manager, &mates);
    assert!(status.contains("crew 2; open uploads 0"), "{status}");
    let upload = client.initiate();

    // A mistake changes nothing, also not what is right beside it.
    let status = reload(&mut site, &daemon, &manager, "public = true\n[crew.nobody]\npermissions = [\"blob:read\"]\n");
    assert!(status.contains("crew 2; open uploads 1; reload refused: crew.\"nobody\""), "{status}");
    daemon.wait_for_line("the configuration is refused, the one from before stays: crew.\"nobody\"");
    assert_eq!(client.put_part(&upload, 1, b"still crew").status, 200);
    assert_eq!(daemon.anonymous().get("/xrpc/com.atproto.sync.getBlob?did=x&cid=sha256:0").status, 401);

    // What is fixed at start is named, and the rest is followed.
    let fixed = format!("relays = [\"relay.example\"]\n[limits]\nmax_part_bytes = 4\nconnections = 7\n{mates}");
    let status = reload(&mut site, &daemon, &manager, &fixed);
    assert!(!status.contains("refused"), "{status}");
    let waiting = daemon.wait_for_line("only after a restart");
    assert!(waiting.ends_with("only after a restart: relays, limits.connections"), "{waiting}");
    assert_eq!(client.put_part(&upload, 2, b"five!").outcome(), (413, "PayloadTooLarge".into()));

    reload(&mut site, &daemon, &manager, "");
    assert_eq!(client.try_initiate().unwrap().status, 403);
    assert!(daemon.is_alive());
}
