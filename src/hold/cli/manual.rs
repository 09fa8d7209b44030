//! `manual`: the pages of the manual; `man-pages`: the same and every command, for `man`.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};

use super::error::CommandError;
use super::{Cli, output};

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

#[derive(Args)]
pub(super) struct ManualArguments {
    /// The page; without it, the list of all.
    #[arg(value_name = "TOPIC")]
    topic: Option<String>,
}

impl ManualArguments {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        match self.topic.as_deref() {
            None => output::text(&list()),
            Some(topic) => match TOPICS.iter().find(|(name, _)| *name == topic) {
                Some((_, text)) => output::text(text),
                None => Err(CommandError::Usage(format!("the manual has no page {topic}; it has:\n{}", list()))),
            },
        }
    }
}

#[derive(Args)]
pub(super) struct ManPagesArguments {
    /// The directory, which must exist: /usr/local/share/man/man1.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl ManPagesArguments {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        write_pages(&self.directory)
            .map_err(|error| CommandError::failed(format!("{} cannot be written: {error}", self.directory.display())))
    }
}

fn list() -> String {
    TOPICS.iter().map(|(name, text)| format!("{name:20} {}\n", title(text))).collect()
}

/// The heading of a page.
fn title(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_start_matches("# ")
}

/// A page for each command in section 1, and one for each topic in section 7.
fn write_pages(directory: &Path) -> io::Result<()> {
    clap_mangen::generate_to(Cli::command(), directory)?;
    for (name, text) in TOPICS {
        std::fs::write(directory.join(format!("atcr-hold-{name}.7")), roff(name, text))?;
    }
    Ok(())
}

/// The page as it is, which is made to be read as text.
fn roff(name: &str, text: &str) -> String {
    let line = |line: &str| {
        let line = line.replace('\\', "\\e");
        if line.starts_with(['.', '\'']) { format!("\\&{line}\n") } else { format!("{line}\n") }
    };
    let head = format!(".TH \"ATCR-HOLD-{}\" 7\n.SH NAME\natcr-hold-{name} \\- {}\n", name.to_uppercase(), title(text));
    format!("{head}.SH DESCRIPTION\n.nf\n{}", text.lines().skip(1).map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_list_of_topics_is_the_folder() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/manual")).unwrap();
        let files: BTreeSet<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(files, TOPICS.iter().map(|(name, _)| format!("{name}.md")).collect());
        assert!(TOPICS.iter().all(|(_, text)| text.starts_with("# ")), "each page begins with its title");
        assert!(list().lines().any(|line| line.starts_with("configuration ")));
    }

    #[test]
    fn every_command_and_every_topic_has_a_man_page() {
        let directory = std::env::temp_dir().join(format!("atcr-hold-man-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        write_pages(&directory).unwrap();
        for name in ["atcr-hold.1", "atcr-hold-crew-add.1", "atcr-hold-gc.1", "atcr-hold-configuration.7"] {
            let text = std::fs::read_to_string(directory.join(name)).unwrap();
            assert!(text.contains(".TH"), "{name}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(roff("x", "# T\n\n.dot \\\n").lines().last(), Some("\\&.dot \\e"));
    }
}
