//! `login`, `status` and `logout`, at a registry that does what it should and at one that does not.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::desk::{Desk, Ended, SECRET};
use super::registry::{FakeRegistry, error, json_of, raw};

fn granted(secret: &str) -> String {
    let did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    json_of(200, &json!({ "device_secret": secret, "did": did, "handle": "alice.test" }))
}

#[test]
fn a_person_signs_in_looks_and_signs_out() {
    let (desk, registry) = (Desk::new(), FakeRegistry::start());
    registry.has_devices(60, [error("authorization_pending"), raw(503, "", ""), granted(SECRET)]);
    let ended = desk.run(&["login", &registry.name, "--name", "the laptop"], "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for shown in ["WDJB-MJHT", &format!("http://{}/auth/device\n", registry.name), "configure-docker"] {
        assert!(ended.stdout.contains(shown), "{shown} in {}", ended.stdout);
    }
    assert!(ended.stdout.contains("You are alice.test") && !format!("{ended:?}").contains(SECRET), "{ended:?}");
    assert!(ended.stderr.contains("status 503; it is asked again"), "{}", ended.stderr);
    assert_eq!(registry.asked("/auth/device/code"), ["client_id=the+laptop"]);
    assert_eq!(registry.asked("/auth/device/token").len(), 3);
    assert_eq!(desk.get(&registry.name), ("alice.test".into(), SECRET.into()));

    registry.answers("/auth/token", [json_of(200, &json!({ "token": "x" }))]);
    let status = desk.run(&["status"], "").done();
    assert!(status.contains("alice.test") && status.contains("file") && status.contains("good"), "{status}");
    assert!(registry.asked("/auth/token")[0].starts_with("Basic "));

    // Again: the device of before is none any more.
    registry.has_devices(60, [granted("atcr_device_second")]);
    registry.answers("/auth/device/end", [json_of(200, &json!({}))]);
    desk.run(&["login", &registry.name], "").done();
    assert_eq!(registry.asked("/auth/device/end"), [format!("token={SECRET}")]);

    desk.run(&["logout"], "").done();
    assert_eq!(registry.asked("/auth/device/end")[1], "token=atcr_device_second");
    assert_eq!(desk.run(&["get"], &registry.name).refused(), "credentials not found in native keychain");
    assert!(desk.run(&["logout"], "").failed(1).contains("nobody is signed in"));
    assert!(desk.run(&["status"], "").done().contains("nobody is signed in"));
}

#[test]
fn a_device_that_was_taken_back_is_said() {
    let (desk, registry) = (Desk::new(), FakeRegistry::start());
    desk.store(&registry.name, "alice.test", SECRET).done();
    let message = "no device here has this secret:\u{1b}[2J sign in again";
    registry
        .answers("/auth/token", [json_of(401, &json!({ "errors": [{ "code": "UNAUTHORIZED", "message": message }] }))]);
    let ended = desk.run(&["status"], "");
    assert!(ended.stdout.contains("sign in again: no device here") && !ended.stdout.contains('\u{1b}'), "{ended:?}");
    assert!(ended.failed(1).contains("sign in again"));
    let shown = desk.run(&["status", "--json"], "");
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((&shown[0]["state"], &shown[0]["isDevice"]), (&json!("sign_in_again"), &json!(true)));
    assert!(desk.run(&["status", "--offline"], "").done().contains("not asked"));
    for answer in [raw(500, "", ""), raw(302, "location: http://localhost:1/\r\n", ""), raw(404, "", "")] {
        registry.answers("/auth/token", [answer]);
        assert!(desk.run(&["status"], "").done().contains("unknown: "), "what is not known is no failure");
    }
    // The registry does not take it back: that is said, and the secret is forgotten here.
    registry.answers("/auth/device/end", [raw(500, "", "")]);
    let ended = desk.run(&["logout", &registry.name], "");
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stderr.contains(&format!("take this machine back at http://{}/auth/device", registry.name)),
        "{ended:?}"
    );
    assert_eq!(desk.run(&["list"], "").done(), "{}\n");
}

#[test]
fn who_is_refused_or_too_late_or_asks_too_often_is_told() {
    let (desk, registry) = (Desk::new(), FakeRegistry::start());
    for (life_s, answer, words) in [
        (60, error("access_denied"), "this machine was refused"),
        (60, error("expired_token"), "nobody let this machine in in time"),
        (2, error("authorization_pending"), "nobody let this machine in in time"),
        (4, error("slow_down"), "nobody let this machine in in time"),
        (2, String::new(), "nobody let this machine in in time"),
        (60, error("invalid_client"), "so it is: invalid_client"),
        (60, raw(200, "", "garbage"), "answers what no registry of ATCR would"),
        (60, json_of(200, &json!({ "device_secret": "a\nb", "did": "d" })), "answers what no registry of ATCR would"),
    ] {
        registry.has_devices(life_s, [answer]);
        let said = desk.run(&["login", &registry.name], "").failed(1);
        assert!(said.contains(words), "{words}: {said}");
    }
    registry.has_devices(60, [error("authorization_pending")]);
    let huge = json_of(200, &json!({ "device_code": "x".repeat(1 << 20) }));
    for (answer, words) in [
        (raw(404, "", ""), "is no registry of ATCR, or has no pages"),
        (raw(302, "location: https://elsewhere.example/\r\n", ""), "it leads elsewhere"),
        (raw(200, "", "<html>"), "answers what no registry of ATCR would"),
        (huge, "its answer is larger than"),
        (raw(429, "", "{\"error\":\"slow_down\",\"error_description\":\"too many\"}"), "too many"),
    ] {
        registry.answers("/auth/device/code", [answer]);
        let said = desk.run(&["login", &registry.name], "").failed(1);
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(desk.run(&["login", "localhost:1"], "").failed(1).contains("cannot be asked"));
    assert!(
        desk.run(&["login", "http://registry.example.org"], "").failed(1).contains("registries of this machine only")
    );
    assert!(!desk.file().exists());
}

#[test]
fn ctrl_c_ends_it_and_a_secret_that_cannot_be_kept_is_given_back() {
    let (desk, registry) = (Desk::new(), FakeRegistry::start());
    registry.has_devices(60, [error("authorization_pending")]);
    let child = desk.start(&["login", &registry.name], b"");
    let began = Instant::now();
    while registry.asked("/auth/device/token").is_empty() {
        assert!(began.elapsed() < Duration::from_secs(120));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert!(Ended::of(child).failed(130).contains("nobody is signed in by it"));
    assert!(!desk.file().exists());

    registry.has_devices(60, [granted(SECRET)]);
    registry.answers("/auth/device/end", [json_of(200, &json!({}))]);
    std::fs::create_dir_all(desk.folder().join("credentials.json.new/x")).unwrap();
    std::fs::set_permissions(desk.folder(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let said = desk.run(&["login", &registry.name], "").failed(1);
    assert!(said.contains("cannot be kept, and was given back"), "{said}");
    assert_eq!(registry.asked("/auth/device/end"), [format!("token={SECRET}")]);
}

#[test]
fn nobody_opens_a_page_for_a_secret_that_cannot_be_kept() {
    let (desk, registry) = (Desk::new(), FakeRegistry::start());
    registry.has_devices(60, [granted(SECRET)]);
    // A home that cannot be written, also for root.
    std::fs::create_dir_all(desk.folder().join("lock")).unwrap();
    let said = desk.run(&["login", &registry.name], "").failed(1);
    assert!(said.contains("atcr/lock cannot be opened"), "{said}");
    assert!(registry.asked("/auth/device/code").is_empty(), "no code was shown");
}
