//! The keyring, by a `secret-tool` of the test's own; tests/appview.sh has the real one.

use std::fs;
use std::process::Command;

use super::desk::{Desk, SECRET};

/// Keeps secrets in files of the folder that stands for the keyring; cuts long ones, and fails to clear what is not
/// there, as libsecret 0.20.5 does.
const GOOD: &str = r#"command=$1; [ "$command" = store ] && shift
shift; name=$(echo "$*" | tr ' /' '__')
case $command in
store) head -c 8192 > "$KEYS/$name" ;;
lookup) [ -e "$KEYS/$name" ] && cat "$KEYS/$name" ;;
clear) [ -e "$KEYS/$name" ] && rm "$KEYS/$name" ;;
esac"#;

/// A desk with a keyring, which does as `script` says.
fn desk(script: &str) -> Desk {
    let mut desk = Desk::new();
    let keys = desk.path("keys");
    fs::create_dir(&keys).unwrap();
    becomes(&desk, script);
    // Not by this process: a child that it starts meanwhile would have the file open, which then could not be run.
    let make = r#"printf '#!/bin/sh\n. "$KEYS/script"\n' > "$1" && chmod 755 "$1""#;
    assert!(Command::new("sh").args(["-c", make, "sh"]).arg(keys.join("secret-tool")).status().unwrap().success());
    let keys = keys.to_str().unwrap().to_owned();
    desk.set("PATH", format!("{keys}:/usr/bin:/bin"));
    desk.set("KEYS", keys);
    desk.set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
    desk
}

fn becomes(desk: &Desk, script: &str) {
    fs::write(desk.path("keys/script"), script).unwrap();
}

#[test]
fn a_secret_in_the_keyring_is_nowhere_else() {
    let desk = desk(GOOD);
    desk.store("a.example", "alice.test", SECRET).done();
    assert!(desk.read().contains("alice.test") && !desk.read().contains(SECRET), "{}", desk.read());
    assert_eq!(desk.get("a.example"), ("alice.test".into(), SECRET.into()));
    assert!(desk.run(&["status", "--offline"], "").done().contains("keyring"));
    desk.run(&["erase"], "a.example").done();
    becomes(&desk, r#"ls "$KEYS" >&2; exit 1"#);
    assert!(!desk.run(&["get"], "a.example").refused().contains("alice"), "nothing is left of it");
}

#[test]
fn without_a_bus_or_when_it_is_off_or_fails_the_file_has_the_secret() {
    for variable in [("DBUS_SESSION_BUS_ADDRESS", ""), ("ATCR_KEYRING", "off")] {
        let desk = desk(GOOD);
        let message = format!("{{\"ServerURL\":\"a.example\",\"Username\":\"u\",\"Secret\":\"{SECRET}\"}}");
        let mut child = desk.command(&["store"]).env(variable.0, variable.1).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), message.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success() && desk.read().contains(SECRET), "{variable:?}");
    }
    let desk = desk("echo 'The name org.freedesktop.secrets was not provided' >&2; exit 1");
    let ended = desk.store("a.example", "u", SECRET);
    assert!(ended.stderr.contains("kept in a file") && ended.stderr.contains("was not provided"), "{}", ended.stderr);
    assert_eq!((ended.code, desk.get("a.example").1.as_str()), (Some(0), SECRET));
}

#[test]
fn docker_does_not_wait_for_a_keyring_that_is_locked() {
    let desk = desk(GOOD);
    desk.store("a.example", "alice.test", SECRET).done();
    becomes(&desk, "exec sleep 60");
    let refused = desk.run(&["get"], "a.example").refused();
    assert!(refused.contains("it did not answer in time, and may be locked"), "{refused}");
    becomes(&desk, "exit 1");
    assert!(desk.run(&["get"], "a.example").refused().ends_with("it has none any more: sign in again"));
    assert!(desk.run(&["status"], "").failed(1).contains("sign in again"));
    becomes(&desk, "head -c 200000 /dev/zero");
    let refused = desk.run(&["get"], "a.example").refused();
    assert!(refused.contains("did not answer in time"), "more than any secret is none: {refused}");
}

#[test]
fn a_secret_that_the_keyring_would_cut_is_in_the_file() {
    let desk = desk(GOOD);
    let secret = |bytes: usize| SECRET.chars().cycle().take(bytes).collect::<String>();
    desk.store("a.example", "u", &secret(8191)).done();
    assert_eq!(desk.get("a.example").1, secret(8191));
    assert!(!desk.read().contains(SECRET));
    for bytes in [8192, 30_000] {
        let ended = desk.store("a.example", "u", &secret(bytes));
        assert!(ended.code == Some(0) && ended.stderr.contains("kept in a file"), "{ended:?}");
        assert_eq!(desk.get("a.example").1, secret(bytes));
    }
    let keys = || fs::read_dir(desk.path("keys")).unwrap().map(|key| key.unwrap().file_name().into_string().unwrap());
    assert!(!keys().any(|name| name.contains("a.example")), "the last one is nowhere else");
}

#[test]
fn what_the_keyring_has_lost_can_be_erased() {
    let desk = desk(GOOD);
    desk.store("a.example", "u", SECRET).done();
    becomes(&desk, &GOOD.replace("$KEYS/$name", "$KEYS/another"));
    desk.run(&["erase"], "a.example").done();
    assert_eq!(desk.run(&["list"], "").done(), "{}\n");
}
