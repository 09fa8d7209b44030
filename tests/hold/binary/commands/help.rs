//! What the commands say of themselves.

use std::process::{Command, Stdio};

use super::Site;

#[test]
fn every_command_explains_itself_with_an_example() {
    let site = Site::new();
    for command in [
        &["crew", "list"][..],
        &["crew", "add"],
        &["crew", "set"],
        &["crew", "remove"],
        &["crew", "ban"],
        &["crew", "unban"],
        &["crew", "bans"],
        &["identity", "show"],
        &["identity", "new-key"],
        &["backup"],
        &["uploads", "list"],
        &["uploads", "abort"],
        &["storage", "usage"],
        &["storage", "verify"],
        &["storage", "migrate"],
        &["storage", "adopt"],
        &["gc"],
        &["images", "reconcile"],
        &["images", "delete"],
        &["repo", "export"],
        &["successor", "export"],
        &["successor", "import"],
        &["systemd-units"],
        &["completions"],
    ] {
        let help = site.done(&[command, &["--help"]].concat());
        assert!(help.contains(&format!("Example: atcr-hold {}", command.join(" "))), "{help}");
        assert!(!help.contains('\u{1b}'), "colours where there is no terminal: {help}");
    }
    let help = site.done(&["--help"]);
    for word in [
        "crew",
        "identity",
        "backup",
        "uploads",
        "storage",
        "gc",
        "images",
        "repo",
        "successor",
        "systemd-units",
        "completions",
        "HOLD_ADMIN_SOCKET",
        "64 wrong usage",
    ] {
        assert!(help.contains(word), "no {word} in {help}");
    }
}

#[test]
fn completions_are_scripts() {
    let site = Site::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = site.done(&["completions", shell]);
        assert!(["crew", "uploads", "export"].iter().all(|word| script.contains(word)), "{shell}");
        if shell == "bash" {
            let mut check = Command::new("bash").args(["-n", "/dev/stdin"]).stdin(Stdio::piped()).spawn().unwrap();
            std::io::Write::write_all(&mut check.stdin.take().unwrap(), script.as_bytes()).unwrap();
            assert!(check.wait().unwrap().success());
        }
    }
}
