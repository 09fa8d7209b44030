//! What of uploads goes by itself, by the real program.

use rusqlite::Connection;

use super::site::Site;
use crate::support::process::eventually;

#[test]
fn files_go_whose_upload_is_gone_and_no_others() {
    let site = Site::new();
    site.hold_takes_uploads();
    let daemon = site.start();
    let alice = site.signed_in(&daemon);
    let begun = alice.try_send("POST", &format!("{}/blobs/uploads/", site.repository()), "", &[]).unwrap();
    let place = begun.header("location").unwrap().to_owned();
    assert_eq!(alice.try_send("PATCH", &place, "", b"some bytes").unwrap().status, 202);
    assert_eq!(daemon.stop(), Some(0));
    let [orphan, other] = ["0123456789abcdef0123456789abcdef", "README"].map(|name| site.path("uploads").join(name));
    for file in [&orphan, &other] {
        std::fs::write(file, "of long ago").unwrap();
    }
    let daemon = site.start();
    eventually("it is removed", || !orphan.exists());
    assert!(other.exists());
    let alice = site.signed_in(&daemon);
    assert_eq!(alice.get(&place).header("range"), Some("0-9"));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn an_upload_of_a_clock_that_was_ahead_does_not_stay_until_then() {
    let site = Site::new();
    site.hold_takes_uploads();
    let daemon = site.start();
    let alice = site.signed_in(&daemon);
    for _ in 0..2 {
        let begun = alice.try_send("POST", &format!("{}/blobs/uploads/", site.repository()), "", &[]).unwrap();
        assert_eq!(begun.status, 202, "{}", begun.text());
    }
    assert_eq!(daemon.stop(), Some(0));
    let database = Connection::open(site.path("appview.db")).unwrap();
    // Of two hours ahead nobody knows which clock was right.
    for (ahead_s, place) in [(366 * 24 * 3600, "min"), (2 * 3600, "max")] {
        let ahead = format!(
            "UPDATE upload SET touched_us = touched_us + {ahead_s}000000, offset_bytes = 1, sent_bytes = 1
                             WHERE id = (SELECT {place}(id) FROM upload)"
        );
        assert_eq!(database.execute(&ahead, []).unwrap(), 1);
    }
    let daemon = site.start();
    let open = || database.query_row("SELECT count(*) FROM upload", [], |row| row.get::<_, u32>(0)).unwrap();
    eventually("it is swept", || open() == 1);
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(open(), 1);
}
