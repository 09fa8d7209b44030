//! The manual of the hold.

use server::console::Manual;

/// The manual of the hold, whose pages are in `src/hold/manual`.
pub(super) const MANUAL: Manual = Manual { program: super::PROGRAM, topics: &TOPICS };

/// The pages in the order in which they are listed: name and text.
const TOPICS: [(&str, &str); 17] = [
    ("running", include_str!("../manual/running.md")),
    ("debian", include_str!("../manual/debian.md")),
    ("nixos", include_str!("../manual/nixos.md")),
    ("container", include_str!("../manual/container.md")),
    ("proxy", include_str!("../manual/proxy.md")),
    ("configuration", include_str!("../manual/configuration.md")),
    ("commands", include_str!("../manual/commands.md")),
    ("storage", include_str!("../manual/storage.md")),
    ("buckets", include_str!("../manual/buckets.md")),
    ("images", include_str!("../manual/images.md")),
    ("garbage-collection", include_str!("../manual/garbage-collection.md")),
    ("tokens", include_str!("../manual/tokens.md")),
    ("monitoring", include_str!("../manual/monitoring.md")),
    ("backup", include_str!("../manual/backup.md")),
    ("moving", include_str!("../manual/moving.md")),
    ("limits", include_str!("../manual/limits.md")),
    ("changes", include_str!("../manual/changes.md")),
];

#[cfg(test)]
#[path = "../../../tests/support/man_pages.rs"]
mod man_pages;

#[test]
fn it_is_the_folder_and_has_man_pages() {
    let some = [".1", "-crew-add.1", "-gc.1", "-configuration.7"];
    man_pages::assert_whole::<super::Cli>(&MANUAL, &some);
}
