//! What the service manager is told, and what it asks for: signs of life, and to read the configuration again.

use rusqlite::Connection;

use super::site::Site;
use crate::support::manager::{ALIVE, Manager};
use crate::support::process::Daemon;

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

    let database = Connection::open(site.path("appview.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    manager.falls_silent(&daemon);
    database.execute_batch("ROLLBACK").unwrap();
    assert_eq!(manager.told(), ALIVE);
}

#[test]
fn a_start_waits_for_a_database_that_somebody_has_and_says_so() {
    let mut site = Site::new();
    // Whoever has the database has its lock.
    let lock = std::fs::File::create(site.path("appview.db.lock")).unwrap();
    lock.lock().unwrap();
    let manager = Manager::of(&mut site);
    let waiting = std::thread::scope(|scope| {
        let starting = scope.spawn(|| site.start());
        let told = manager.told();
        lock.unlock().unwrap();
        assert_eq!(starting.join().unwrap().anonymous().get("/_health").status, 200);
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
    manager.told().strip_prefix("READY=1\nSTATUS=").unwrap().to_owned()
}

#[test]
fn a_hangup_reads_the_configuration_again() {
    let mut site = Site::new();
    let manager = Manager::of(&mut site);
    site.configure("");
    let mut daemon = site.start();
    let status = manager.told();
    assert!(status.ends_with("; open uploads 0; notices that wait 0\n"), "{status}");
    site.hold_takes_uploads();
    let upload = format!("{}/blobs/uploads/", site.repository());
    let push = |daemon: &Daemon, site: &Site| site.signed_in(daemon).try_send("POST", &upload, "", &[]).unwrap().status;
    assert_eq!(push(&daemon, &site), 202);

    // Who may push is followed.
    let status = reload(&mut site, &daemon, &manager, "allowed_accounts = [\"did:web:other.example\"]\n");
    assert!(status.contains("open uploads 1") && !status.contains("refused"), "{status}");
    assert_eq!(push(&daemon, &site), 401);

    // A mistake changes nothing, also not what is right beside it.
    let status = reload(&mut site, &daemon, &manager, "allowed_accounts = []\nproxy_blobs = 3\n");
    assert!(status.contains("; reload refused: proxy_blobs"), "{status}");
    daemon.wait_for_line("the configuration is refused, the one from before stays: proxy_blobs");
    assert_eq!(push(&daemon, &site), 401);

    // What is fixed at start is named, and the rest is followed.
    let status = reload(&mut site, &daemon, &manager, "log_level = \"debug\"\n[limits]\nconnections = 7\n");
    assert!(!status.contains("refused"), "{status}");
    let waiting = daemon.wait_for_line("only after a restart");
    assert!(waiting.ends_with("only after a restart: log_level, limits.connections"), "{waiting}");
    assert_eq!(push(&daemon, &site), 202);
    assert!(daemon.is_alive());
}
