//! The manual of the registry.

use server::console::Manual;

/// The manual of the registry, whose pages are in `src/appview/manual`.
pub(super) const MANUAL: Manual = Manual { program: super::PROGRAM, topics: &TOPICS };

/// The pages in the order in which they are listed: name and text.
const TOPICS: [(&str, &str); 11] = [
    ("running", include_str!("../manual/running.md")),
    ("signing-in", include_str!("../manual/signing-in.md")),
    ("pages", include_str!("../manual/pages.md")),
    ("images", include_str!("../manual/images.md")),
    ("webhooks", include_str!("../manual/webhooks.md")),
    ("proxy", include_str!("../manual/proxy.md")),
    ("configuration", include_str!("../manual/configuration.md")),
    ("limits", include_str!("../manual/limits.md")),
    ("commands", include_str!("../manual/commands.md")),
    ("monitoring", include_str!("../manual/monitoring.md")),
    ("troubleshooting", include_str!("../manual/troubleshooting.md")),
];

#[cfg(test)]
#[path = "../../../tests/support/man_pages.rs"]
mod man_pages;

#[test]
fn it_is_the_folder_and_has_man_pages() {
    let some = [".1", "-queue-drop.1", "-configuration.7"];
    man_pages::assert_whole::<super::Cli>(&MANUAL, &some);
}
