//! What comes from the table of options: the manual's table, and what the NixOS module knows of a reload.
//!
//! `ATCR_HOLD_WRITE=1 cargo test -p atcr-hold --test hold config::table` brings both files up to date.

use atcr_hold::config::OPTIONS;
use server::settings::Default;

use crate::support::manual::{has_options, log_lines_are_in_the_code, module_has_live_options, root};

#[test]
fn the_manual_has_the_table_of_options() {
    has_options("src/hold/manual/configuration.md", OPTIONS);
}

#[test]
fn the_manual_has_lines_of_the_log_as_they_are() {
    log_lines_are_in_the_code("src/hold/manual/monitoring.md", "hold");
}

#[test]
fn the_nixos_module_knows_what_a_reload_follows() {
    module_has_live_options("hold", OPTIONS);
}

#[test]
fn the_nixos_module_has_the_defaults_of_the_hold() {
    let reference = std::fs::read_to_string(root().join("nixos/hold/options.md")).unwrap();
    let default_of = |nix: &str| {
        let section = reference.split("\n## ").find(|text| text.starts_with(&format!("services.atcr-hold.{nix}\n")));
        let section = section.unwrap_or_else(|| panic!("{nix} is no option of the module"));
        let line = section.lines().find_map(|line| line.strip_prefix("- Default: `"));
        line.unwrap_or_default().trim_end_matches('`').replace("[ ]", "[]")
    };
    for (nix, name) in [
        ("public", "public"),
        ("allowAllCrew", "allow_all_crew"),
        ("mutableCrew", "mutable_crew"),
        ("appviews", "appviews"),
        ("blueskyPosts", "bluesky_posts"),
        ("relays", "relays"),
        ("storage.s3.region", "storage.s3.region"),
        ("gc.enable", "gc.enabled"),
        ("gc.schedule", "gc.schedule"),
    ] {
        let setting = OPTIONS.iter().find(|option| option.name == name).unwrap();
        let Default::Toml(expected) = setting.default else { panic!("{name} has no default") };
        assert_eq!(default_of(nix), expected, "{nix}");
    }
}
