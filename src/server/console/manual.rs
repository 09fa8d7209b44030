//! `manual`: the pages of a program's manual; `man-pages`: these and a page for each command, for `man`.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};

use super::{CommandError, output};

/// The manual of a program.
#[derive(Clone, Copy, Debug)]
pub struct Manual {
    /// The name of the program.
    pub program: &'static str,
    /// The pages in the order in which they are listed: name and text, Markdown that opens with its heading.
    pub topics: &'static [(&'static str, &'static str)],
}

/// Arguments of `manual`.
#[derive(Args)]
pub struct ManualArguments {
    /// The page; without it, the list of all.
    #[arg(value_name = "TOPIC")]
    topic: Option<String>,
}

impl ManualArguments {
    /// Prints the page, or the list.
    ///
    /// # Errors
    /// [`CommandError::Usage`] when there is no such page; as [`output::text`].
    pub fn run(&self, manual: &Manual) -> Result<(), CommandError> {
        match self.topic.as_deref() {
            None => output::text(&manual.list()),
            Some(topic) => match manual.topics.iter().find(|(name, _)| *name == topic) {
                Some((_, page)) => output::text(page),
                None => Err(CommandError::Usage(format!("the manual has no page {topic}; it has:\n{}", manual.list()))),
            },
        }
    }
}

/// Arguments of `man-pages`.
#[derive(Args)]
pub struct ManPagesArguments {
    /// The directory, made if it is missing: /usr/local/share/man/man1. The pages of the manual, of section 7, go to man7
    /// beside one of this name.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl ManPagesArguments {
    /// Writes a page for each command of the command line `C` in section 1, and one for each topic in section 7.
    ///
    /// # Errors
    /// [`CommandError::Failed`] when a file cannot be written.
    pub fn run<C: CommandFactory>(&self, manual: &Manual) -> Result<(), CommandError> {
        let failed = |error| CommandError::failed(format!("{} cannot be written: {error}", self.directory.display()));
        manual.write_man_pages::<C>(&self.directory).map_err(failed)
    }
}

impl Manual {
    /// Returns the list of the pages: name and title, a line each.
    #[must_use]
    pub fn list(&self) -> String {
        self.topics.iter().map(|(name, page)| format!("{name:20} {}\n", title(page))).collect()
    }

    /// Writes a page for each command of the command line `C` in section 1, and one for each topic in section 7: into
    /// `man7` beside a directory `man1`, as `man` looks for each section in its own.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_man_pages<C: CommandFactory>(&self, directory: &Path) -> io::Result<()> {
        let is_section = directory.file_name().is_some_and(|name| name == "man1");
        let topics = if is_section { directory.with_file_name("man7") } else { directory.to_owned() };
        std::fs::create_dir_all(directory)?;
        std::fs::create_dir_all(&topics)?;
        clap_mangen::generate_to(C::command(), directory)?;
        let program = self.program;
        for (name, page) in self.topics {
            std::fs::write(topics.join(format!("{program}-{name}.7")), self.roff(name, page))?;
        }
        Ok(())
    }

    /// Returns the page in roff, its Markdown as preformatted text.
    fn roff(&self, name: &str, page: &str) -> String {
        let line = |line: &str| {
            let line = line.replace('\\', "\\e");
            if line.starts_with(['.', '\'']) { format!("\\&{line}\n") } else { format!("{line}\n") }
        };
        let program = self.program;
        let (heading, title) = (format!("{program}-{name}").to_uppercase(), title(page));
        let head = format!(".TH \"{heading}\" 7\n.SH NAME\n{program}-{name} \\- {title}\n");
        format!("{head}.SH DESCRIPTION\n.nf\n{}", page.lines().skip(1).map(line).collect::<String>())
    }
}

/// Returns the heading of a page.
fn title(page: &str) -> &str {
    page.lines().next().unwrap_or_default().trim_start_matches("# ")
}

#[cfg(test)]
mod tests {
    use super::Manual;

    #[test]
    fn what_roff_would_take_for_markup_is_escaped() {
        let manual = Manual { program: "p", topics: &[] };
        let page = manual.roff("x", "# T\n\n.dot \\\n");
        assert!(page.starts_with(".TH \"P-X\" 7\n") && page.contains("p-x \\- T\n"), "{page}");
        assert_eq!(page.lines().last(), Some("\\&.dot \\e"));
    }
}
