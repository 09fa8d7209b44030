//! docker's protocol: what is answered, and what is refused in which words.

use serde_json::{Value, json};

use super::desk::{Desk, SECRET};

const NOT_FOUND: &str = "credentials not found in native keychain";

#[test]
fn what_docker_keeps_it_gets_however_it_writes_the_registry() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["get"], "registry.example.org").refused(), NOT_FOUND);
    assert_eq!(desk.run(&["list"], "").done(), "{}\n");
    assert_eq!(desk.store("https://registry.example.org", "alice.test", SECRET).done(), "");
    for name in ["registry.example.org", "registry.example.org\n", "https://Registry.example.org/v1/\r\n"] {
        let told: Value = serde_json::from_str(&desk.run(&["get"], name).done()).unwrap();
        let wanted = json!({ "ServerURL": name.trim(), "Username": "alice.test", "Secret": SECRET });
        assert_eq!(told, wanted, "as docker sent it");
    }
    desk.store("localhost:5000", "<token>", "refresh").done();
    let listed: Value = serde_json::from_str(&desk.run(&["list"], "").done()).unwrap();
    assert_eq!(listed, json!({ "registry.example.org": "alice.test", "localhost:5000": "<token>" }));
    assert_eq!(desk.run(&["get"], "localhost:5001").refused(), NOT_FOUND);
    for _ in 0..2 {
        assert_eq!(desk.run(&["erase"], "https://registry.example.org/").done(), "", "what is not there is erased");
    }
    assert_eq!(desk.run(&["get"], "registry.example.org").refused(), NOT_FOUND);
    assert_eq!(desk.get("localhost:5000").0, "<token>");
}

#[test]
fn what_docker_does_not_send_is_refused_and_changes_nothing() {
    let desk = Desk::new();
    desk.store("a.example", "alice.test", SECRET).done();
    let before = desk.read();
    for command in ["get", "erase"] {
        for nothing in ["", "\n", "\r\n"] {
            assert_eq!(desk.run(&[command], nothing).refused(), "no credentials server URL");
        }
        for odd in ["a b", "a.example\nb.example", "https://user:not-to-be-seen@a.example", "ftp://a.example"] {
            assert!(desk.run(&[command], odd).refused().starts_with("a registry is named by its host"), "{odd}");
        }
        assert!(desk.run(&[command], [0xff, 0xfe]).refused().ends_with("it is no text"));
        assert!(desk.run(&[command], "x".repeat(1 << 20)).refused().ends_with("it is too long"));
    }
    let message = |url: &str, user: &str, secret: &str| {
        json!({ "ServerURL": url, "Username": user, "Secret": secret }).to_string()
    };
    for (sent, words) in [
        (String::new(), "it is no JSON of docker's"),
        ("not-to-be-seen".into(), "it is no JSON of docker's"),
        (format!("[\"{SECRET}\"]"), "it is no JSON of docker's"),
        (format!("{{\"ServerURL\":\"a.example\",\"Secret\":\"{SECRET}\""), "it is no JSON of docker's"),
        (json!({ "ServerURL": "a.example", "Username": "u" }).to_string(), "it is no JSON of docker's"),
        (message("", "u", SECRET), "no credentials server URL"),
        (message("a.example", "", SECRET), "no credentials username"),
        (message("a.example", "u\nv", SECRET), "such characters"),
        (message("a.example", &"u".repeat(2000), SECRET), "such characters"),
        (message("a.example", "u", &"s".repeat(40_000)), "such characters"),
        (message("a.example", "u", &"s".repeat(1 << 20)), "it is too long"),
    ] {
        let refused = desk.run(&["store"], &sent).refused();
        assert!(refused.ends_with(words), "{refused}");
    }
    assert_eq!(desk.read(), before);
}

#[test]
fn of_several_accounts_docker_is_told_of_one() {
    let desk = Desk::new();
    for user in ["alice.test", "bob.test", "carol.test"] {
        desk.store("a.example", user, &format!("{user}'s")).done();
    }
    assert_eq!(desk.get("a.example"), ("carol.test".into(), "carol.test's".into()));
    desk.run(&["use", "a.example", "alice.test"], "").done();
    assert_eq!(desk.get("a.example").0, "alice.test");
    desk.store("a.example", "bob.test", "new").done();
    assert_eq!(desk.get("a.example"), ("bob.test".into(), "new".into()));
    let refused = desk.run(&["use", "a.example", "dave.test"], "").failed(1);
    assert!(refused.contains("dave.test is not signed in at a.example"), "{refused}");
    desk.run(&["logout", "a.example", "bob.test"], "").done();
    assert_eq!(desk.get("a.example").0, "carol.test", "the last one that is left");
    desk.run(&["erase"], "a.example").done();
    assert_eq!(desk.run(&["list"], "").done(), "{}\n", "docker logout is of all");
}

#[test]
fn wrong_usage_is_said() {
    let desk = Desk::new();
    for arguments in [&["fetch"][..], &[], &["login"], &["login", "a b"], &["logout", "--all", "a.example"]] {
        assert_eq!(desk.run(arguments, "").code, Some(64), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["login", "--help"], &["completions", "bash"], &["manual", "credentials"]] {
        assert!(desk.run(arguments, "").done().len() > 200, "{arguments:?}");
    }
    let homeless = desk.command(&["list"]).env_remove("HOME").output().unwrap();
    assert!(String::from_utf8(homeless.stdout).unwrap().starts_with("neither XDG_CONFIG_HOME nor HOME is set"));
}
