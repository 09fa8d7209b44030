//! The manual of the hold.

use server::console::Manual;

/// The manual of the hold, whose pages are in `src/hold/manual`.
pub(super) const MANUAL: Manual = Manual { program: "atcr-hold", topics: &TOPICS };

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
        let directory = std::env::temp_dir().join(format!("atcr-hold-man-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        MANUAL.write_man_pages::<Cli>(&directory).unwrap();
        for name in ["atcr-hold.1", "atcr-hold-crew-add.1", "atcr-hold-gc.1", "atcr-hold-configuration.7"] {
            let text = std::fs::read_to_string(directory.join(name)).unwrap();
            assert!(text.contains(".TH"), "{name}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
