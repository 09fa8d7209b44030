//! What the log and the service manager hear of relays.

use super::site::Site;
use crate::support::manager::Manager;

#[test]
fn a_relay_that_cannot_be_reached_is_named_and_keeps_nothing_waiting() {
    let mut site = Site::new();
    let manager = Manager::of(&mut site);
    // Nothing listens on port 1.
    site.set("HOLD_RELAYS", "http://localhost:1");
    let mut daemon = site.start();
    assert!(manager.told().contains("READY=1"));
    let status = manager.told();
    assert!(status.starts_with("STATUS=serving http://localhost:8080 on "), "{status}");
    let relays = status.trim_end().rsplit_once("; relays: ").expect("relays").1;
    assert!(relays.starts_with("http://localhost:1: it cannot be reached: Connection refused"), "{status}");
    let line = daemon.wait_for_line("asked to crawl this hold, but it cannot be reached: Connection refused");
    assert!(line.contains("WARN") && line.contains("relay=\"http://localhost:1\" retry_s=30"), "{line}");
    assert_eq!(daemon.anonymous().get("/xrpc/_health").status, 200);

    daemon.signal("TERM");
    assert_eq!(manager.told(), "STOPPING=1\n");
    assert_eq!(daemon.ended().code(), Some(0));
    assert_eq!(daemon.log().matches("asked to crawl").count(), 1);
}

#[test]
fn relays_of_a_hold_at_localhost_are_spared() {
    let mut site = Site::new();
    site.unset("HOLD_PLC_DIRECTORY_URL");
    site.unset("TEST_MODE");
    site.set("HOLD_RELAYS", "relay.invalid,other.invalid");
    let daemon = site.start();
    let spared = "relays are not asked to crawl this hold: only this machine reaches it";
    assert_eq!(daemon.log().matches(spared).count(), 1, "{}", daemon.log());
    assert_eq!(daemon.stop(), Some(0));
}
