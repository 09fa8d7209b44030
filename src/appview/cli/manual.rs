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
mod tests {
    use std::collections::BTreeSet;

    use super::{MANUAL, TOPICS};
    use crate::cli::Cli;

    #[test]
    fn the_list_of_topics_is_the_folder() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/manual")).unwrap();
        let files: BTreeSet<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(files, TOPICS.iter().map(|(name, _)| format!("{name}.md")).collect());
        assert!(TOPICS.iter().all(|(_, text)| text.starts_with("# ")), "each page begins with its title");
        assert!(MANUAL.list().lines().any(|line| line.starts_with("configuration ")));
    }

    #[test]
    fn every_command_and_every_topic_has_a_man_page() {
        let directory = tempfile::tempdir().unwrap();
        MANUAL.write_man_pages::<Cli>(directory.path()).unwrap();
        for name in ["atcr-appview.1", "atcr-appview-queue-drop.1", "atcr-appview-configuration.7"] {
            assert!(std::fs::read_to_string(directory.path().join(name)).unwrap().contains(".TH"), "{name}");
        }
    }
}
