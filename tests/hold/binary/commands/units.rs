//! `systemd-units`: the units of machines without Nix.

use std::fs;

use crate::binary::site::Site;

#[test]
fn units_are_printed_as_the_module_has_them() {
    let mut site = Site::new();
    // It is for machines that have no configuration yet.
    site.unset("HOLD_PUBLIC_URL");
    let printed = site.done(&["systemd-units"]);
    for line in [
        "ExecStart=/usr/local/bin/atcr-hold --config /etc/atcr-hold/config.toml serve --socket-activated",
        "ExecStart=/usr/local/bin/atcr-hold --config /etc/atcr-hold/config.toml backup --keep 7 /var/backups/atcr-hold",
        "Type=notify-reload",
        "ProtectSystem=strict",
        "ListenStream=/run/atcr-hold.sock",
        "SocketGroup=www-data",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
}

#[test]
fn they_name_what_the_command_is_told() {
    let site = Site::new();
    let told = ["--program", "/opt/hold/atcr-hold", "--config", "/etc/hold.toml", "--group", "caddy"];
    let printed = site.done(&[&["systemd-units"], &told[..]].concat());
    assert!(
        printed.contains("\nExecStart=/opt/hold/atcr-hold --config /etc/hold.toml serve --socket-activated\n"),
        "{printed}"
    );
    assert!(printed.contains("\nSocketGroup=caddy\n") && !printed.contains("www-data"), "{printed}");
}

#[test]
fn what_would_mean_something_else_in_a_unit_is_refused() {
    let site = Site::new();
    for (option, value) in
        [("--program", "atcr-hold"), ("--program", "/opt/%h"), ("--config", "hold.toml"), ("--group", "a b")]
    {
        let ended = site.run(&["systemd-units", option, value]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(64), ""), "{option} {value}: {}", ended.stderr);
        assert!(ended.stderr.contains(option), "{}", ended.stderr);
    }
    assert_eq!(site.run(&["systemd-units", "--force"]).code, Some(64));
    // The units would not read it.
    let ended = site.run(&["systemd-units", "--env-file", "/etc/atcr-hold/env"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(64), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("LoadCredential=.env:"), "{}", ended.stderr);
}

#[test]
fn units_that_differ_are_written_over_by_force_only() {
    let site = Site::new();
    let directory = site.path("units");
    let write = ["systemd-units", "--directory", directory.to_str().unwrap()];
    site.refuses(1, &write, &["No such file"]);
    fs::create_dir(&directory).unwrap();
    let files = ["atcr-hold.service", "atcr-hold.socket"].map(|name| directory.join(name));
    fs::write(&files[0], "mine").unwrap();
    site.refuses(1, &write, &["atcr-hold.service", "--force"]);
    assert_eq!(fs::read_to_string(&files[0]).unwrap(), "mine");
    assert!(!files[1].exists(), "all or nothing");
    site.done(&[&write[..], &["--force"]].concat());
    let written = files.each_ref().map(|file| fs::read_to_string(file).unwrap());
    assert!(written[0].contains("[Service]") && written[1].contains("[Socket]"));
    // The same again changes nothing.
    site.done(&write);
    assert_eq!(files.each_ref().map(|file| fs::read_to_string(file).unwrap()), written);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 4, "nothing unfinished stays");
}
