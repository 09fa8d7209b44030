//! What is refused, in one line, with the exit code that says whose turn it is.

use super::{Site, started_once};

/// That it refuses the same with a daemon and without one, and changes nothing.
#[track_caller]
fn refuses_both_ways(site: &Site, arguments: &[&str], words: &[&str]) {
    let before = site.json_of(&["identity", "show"]);
    site.refuses(1, arguments, words);
    let daemon = site.start();
    site.refuses(1, arguments, words);
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(site.json_of(&["identity", "show"]), before);
}

#[test]
fn members_of_the_configuration() {
    let mut site = Site::new();
    let bob = site.bob.did.as_str().to_owned();
    site.configure(&format!("[crew.\"{bob}\"]\npermissions = [\"blob:read\"]\n"));
    assert_eq!(site.start().stop(), Some(0));
    let crew = site.json_of(&["crew", "list"]);
    assert_eq!((&crew[1]["did"], &crew[1]["source"]), (&bob.as_str().into(), &"declared".into()));
    let change_it_there = format!("change [crew.\"{bob}\"] there");
    refuses_both_ways(&site, &["crew", "remove", &bob], &["declared in the hold's configuration", &change_it_there]);
    refuses_both_ways(&site, &["crew", "set", &bob, "--role", "mate"], &[&bob, &change_it_there, "reload"]);
    let alice = site.alice.did.as_str().to_owned();
    refuses_both_ways(&site, &["crew", "remove", &alice], &["captain's own membership", "configured owner"]);

    site.configure("mutable_crew = false\n");
    assert_eq!(site.start().stop(), Some(0));
    refuses_both_ways(&site, &["crew", "add", &bob], &["declared in the hold's configuration", "mutable_crew"]);
}

#[test]
fn members_that_are_or_are_not() {
    let site = started_once();
    let bob = site.bob.did.as_str();
    refuses_both_ways(&site, &["crew", "remove", bob], &[bob, "is not a member"]);
    refuses_both_ways(&site, &["crew", "set", bob, "--role", "mate"], &[bob, "is not a member"]);
    site.done(&["crew", "add", bob]);
    refuses_both_ways(&site, &["crew", "add", bob], &[bob, "is a member already", "crew set"]);
    refuses_both_ways(&site, &["crew", "set", bob, "--role", "owner"], &["only the captain"]);
    refuses_both_ways(&site, &["crew", "set", bob, "--role", &"x".repeat(33)], &["at most 32 bytes"]);
    refuses_both_ways(&site, &["crew", "add", "did:key:zQ3sh"], &["did:plc and did:web"]);
    refuses_both_ways(&site, &["crew", "add", "did:plc:short"], &["did:plc:short", "24 characters"]);
    refuses_both_ways(&site, &["uploads", "abort", &"a".repeat(32)], &["no such open upload"]);
    refuses_both_ways(&site, &["uploads", "abort", "../x"], &["no such open upload"]);
    // What changes nothing makes no commit.
    let before = site.json_of(&["identity", "show"]);
    site.done(&["crew", "set", bob, "--role", "member"]);
    assert_eq!(site.json_of(&["identity", "show"]), before);
}

#[test]
fn a_tier_that_there_is_not() {
    let mut site = Site::new();
    let bob = site.bob.did.as_str().to_owned();
    site.configure("[tiers]\nbosun.quota = \"5 GB\"\n");
    assert_eq!(site.start().stop(), Some(0));
    refuses_both_ways(&site, &["crew", "add", &bob, "--tier", "bosn"], &["no tier \"bosn\"", "bosun"]);
    site.done(&["crew", "add", &bob, "--tier", "bosun"]);
    refuses_both_ways(&site, &["crew", "set", &bob, "--tier", "gold"], &["no tier \"gold\"", "bosun"]);
    site.done(&["crew", "set", &bob, "--tier", ""]);
}

#[test]
fn wrong_usage() {
    let site = started_once();
    let before = site.snapshot();
    let bob = site.bob.did.as_str();
    let cases: [(&[&str], &str); 10] = [
        (&["crew"], "Usage"),
        (&["crew", "promote", bob], "promote"),
        (&["crew", "add"], "DID"),
        (&["crew", "add", "@alice.example.com"], "not by handle"),
        (&["crew", "add", "alice.example.com"], "not by handle"),
        (&["crew", "add", "did:plc"], "DID"),
        (&["crew", "add", bob, "--permission", "blob:delete"], "blob:write"),
        (&["crew", "set", bob], "--role"),
        (&["completions", "tcsh"], "bash"),
        (&["repo", "export"], "FILE"),
    ];
    for (arguments, word) in cases {
        let ended = site.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(64), ""), "{arguments:?}");
        assert!(ended.stderr.contains(word), "{arguments:?}: {}", ended.stderr);
    }
    assert!(site.snapshot() == before);
}

#[test]
fn a_hold_that_is_not_there() {
    let mut site = Site::new();
    let no_database = ["there is no database", "start the hold once", "HOLD_DATABASE_PATH"];
    let commands = [
        &["crew", "list"][..],
        &["backup", "copy.db"],
        &["identity", "new-key"],
        &["storage", "adopt"],
        &["gc", "--run"],
    ];
    for command in commands {
        site.refuses(78, command, &no_database);
    }
    assert!(!site.path("hold.db").exists() && !site.path("keys").exists(), "a question made a hold");
    site.unset("HOLD_OWNER");
    site.refuses(78, &["crew", "list"], &["HOLD_OWNER"]);
}
