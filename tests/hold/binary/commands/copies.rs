//! A copy of the database, such as a backup, that is looked at beside the hold that runs.

use crate::binary::site::Site;

#[test]
fn a_copy_is_looked_at_and_the_hold_that_runs_keeps_its_uploads() {
    let mut site = Site::new();
    let daemon = site.start();
    let copy = site.path("copy/hold.db");
    std::fs::create_dir(site.path("copy")).unwrap();
    site.done(&["backup", copy.to_str().unwrap()]);
    // The copy does not know it.
    let client = daemon.client(&site.alice);
    let upload = client.try_initiate().unwrap().field("uploadId");
    let part = client.try_put(&client.part_target(&upload, 1), b"layer").unwrap();

    site.set("HOLD_DATABASE_PATH", &copy);
    site.set("HOLD_DATABASE_KEY_PATH", site.path("keys"));
    assert!(site.done(&["repo", "verify"]).ends_with(": 0 wrong\n"));
    site.done(&["storage", "verify"]);
    let completed = client.try_complete(&upload, b"layer", &[part.field("etag")]).unwrap();
    assert_eq!(completed.status, 200, "{}", completed.field("message"));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn the_daemon_does_not_answer_for_a_copy() {
    let mut site = Site::new();
    let daemon = site.start();
    let copy = site.path("copy.db");
    site.done(&["backup", copy.to_str().unwrap()]);
    site.set("HOLD_ADMIN_SOCKET", site.path("admin.sock"));
    site.done(&["repo", "verify"]);
    site.set("HOLD_DATABASE_PATH", &copy);
    for command in [&["repo", "verify"][..], &["storage", "adopt"]] {
        site.refuses(78, command, &["admin.sock", "has another database than", "copy.db", "HOLD_ADMIN_SOCKET"]);
    }
    site.set("HOLD_ADMIN_SOCKET", site.path("none.sock"));
    site.done(&["repo", "verify"]);
    // A database that is not there says nothing of whose socket that is.
    site.set("HOLD_DATABASE_PATH", site.path("nothing.db"));
    site.set("HOLD_ADMIN_SOCKET", site.path("admin.sock"));
    site.done(&["repo", "verify"]);
    assert_eq!(daemon.stop(), Some(0));
}
