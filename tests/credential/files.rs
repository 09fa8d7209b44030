//! The file of accounts: for its owner alone, whole at any moment, and never given up for a broken one.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::desk::{Desk, Ended, PROGRAM, SECRET, mode};

#[test]
fn it_is_for_its_owner_alone() {
    let desk = Desk::new();
    desk.store("a.example", "alice.test", SECRET).done();
    assert_eq!((mode(&desk.folder()), mode(&desk.file())), (0o700, 0o600));
    let names: Vec<_> = fs::read_dir(desk.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let elsewhere = desk.path("elsewhere");
    let mut desk = Desk::new();
    desk.set("XDG_CONFIG_HOME", elsewhere.to_str().unwrap());
    desk.store("a.example", "alice.test", SECRET).done();
    assert!(elsewhere.join("atcr/credentials.json").exists() && !desk.file().exists());
}

#[test]
fn one_that_others_may_read_or_that_is_a_link_is_refused() {
    let desk = Desk::new();
    desk.store("a.example", "alice.test", SECRET).done();
    let refused = |words: &str| {
        for refusal in [desk.run(&["get"], "a.example").refused(), desk.store("b.example", "u", SECRET).refused()] {
            assert!(refusal.contains(words), "{refusal}");
        }
        assert!(desk.run(&["status"], "").failed(1).contains(words));
    };
    for open in [0o640, 0o604, 0o660] {
        fs::set_permissions(desk.file(), fs::Permissions::from_mode(open)).unwrap();
        refused("may be read by others: chmod 600");
    }
    fs::set_permissions(desk.file(), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(desk.folder(), fs::Permissions::from_mode(0o770)).unwrap();
    refused("may be changed by others: chmod 700");
    fs::set_permissions(desk.folder(), fs::Permissions::from_mode(0o700)).unwrap();
    let real = desk.path("real.json");
    fs::rename(desk.file(), &real).unwrap();
    desk.link(&real, &desk.file());
    refused("it is a symbolic link");
    fs::remove_file(desk.file()).unwrap();
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(desk.file()).status().unwrap().success());
    refused("is no file");
}

#[test]
fn a_broken_file_is_said_and_stays() {
    let desk = Desk::new();
    for broken in ["", "{", "[]", "\0\0", "{\"version\":1}", "{\"version\":1,\"registries\":{\"a.example\":{}}}"] {
        desk.write(broken, 0o600);
        for refusal in [
            desk.run(&["get"], "a.example").refused(),
            desk.store("a.example", "u", SECRET).refused(),
            desk.run(&["erase"], "a.example").refused(),
            desk.run(&["list"], "").refused(),
        ] {
            assert!(refusal.ends_with("cannot be understood: move it away, and sign in again"), "{refusal}");
        }
        assert_eq!(desk.read(), broken);
    }
    desk.write("{\"version\":2,\"registries\":{}}", 0o600);
    assert!(desk.run(&["get"], "a.example").refused().ends_with("was written by a newer version of this program"));
    desk.write(&" ".repeat(5 << 20), 0o600);
    assert!(desk.run(&["get"], "a.example").refused().contains("cannot be understood"));
}

#[test]
fn what_cannot_be_written_leaves_the_old_one() {
    let desk = Desk::new();
    desk.store("a.example", "alice.test", SECRET).done();
    let before = desk.read();
    // In the place of what will be the file.
    fs::create_dir_all(desk.folder().join("credentials.json.new/x")).unwrap();
    let refused = desk.store("b.example", "u", SECRET).refused();
    assert!(refused.contains("credentials.json cannot be written"), "{refused}");
    assert_eq!(desk.read(), before);
}

#[test]
fn a_full_disk_leaves_the_old_one() {
    let desk = Desk::new();
    let script = r#"mount -t tmpfs -o size=64k,mode=700 none "$HOME" || exit 99
        printf '{"ServerURL":"a.example","Username":"u","Secret":"short"}' | "$0" store || exit 98
        head -c 1m /dev/zero > "$HOME/.config/full" 2>/dev/null
        printf '{"ServerURL":"b.example","Username":"u","Secret":"%020000d"}' 0 | "$0" store
        echo "code $?"; rm "$HOME/.config/full"; ls "$HOME/.config/atcr"; printf a.example | "$0" get"#;
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script, PROGRAM]).env("HOME", desk.home.path());
    let output = command.env_remove("XDG_CONFIG_HOME").env("ATCR_KEYRING", "off").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    if output.status.code() == Some(99) || output.status.code() == Some(1) {
        let _ = std::io::stderr().write_all(b"skipped: a full disk: no file system of its own can be had\n");
        return;
    }
    assert!(said.contains("credentials.json cannot be written: No space left on device"), "{said}");
    assert!(said.contains("code 1\ncredentials.json\nlock\n{") && said.contains("\"Secret\":\"short\""), "{said}");
}

#[test]
fn whoever_reads_while_others_write_reads_all_of_it() {
    let desk = Desk::new();
    desk.store("a.example", "alice.test", SECRET).done();
    let write = |n: usize| {
        let message = format!("{{\"ServerURL\":\"r{n}.example\",\"Username\":\"u\",\"Secret\":\"{n:08000}\"}}");
        desk.start(&["store"], message.as_bytes())
    };
    let writers: Vec<_> = (0..12).map(write).collect();
    for _ in 0..20 {
        assert_eq!(desk.get("a.example"), ("alice.test".into(), SECRET.into()));
    }
    for (n, writer) in writers.into_iter().enumerate() {
        let mut ended = Ended::of(writer);
        // On a busy machine one may wait too long for its turn.
        while ended.stdout.contains("another docker-credential-atcr is at work") {
            ended = Ended::of(write(n));
        }
        ended.done();
    }
    for n in 0..12 {
        assert_eq!(desk.get(&format!("r{n}.example")).1, format!("{n:08000}"), "no writer took another's away");
    }
}

#[test]
fn nobody_waits_for_a_lock_to_read_and_writers_give_up() {
    let desk = Desk::new();
    desk.store("a.example", "alice.test", SECRET).done();
    let lock = fs::File::open(desk.folder().join("lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(desk.get("a.example").0, "alice.test");
    assert!(desk.store("b.example", "u", SECRET).refused().contains("another docker-credential-atcr is at work"));
}
