//! A manual is its folder, and all of it is in its man pages.

use std::collections::BTreeSet;

use clap::CommandFactory;
use server::console::Manual;

/// The topics are the pages of the crate's folder, and each of them and each command of the command line `C` has a man page;
/// `some` of these are what follows the program's name.
pub(crate) fn assert_whole<C: CommandFactory>(manual: &Manual, some: &[&str]) {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/manual")).unwrap();
    let files: BTreeSet<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, manual.topics.iter().map(|(name, _)| format!("{name}.md")).collect());
    for (name, page) in manual.topics {
        assert!(page.starts_with("# "), "{name} begins with its title");
        assert!(manual.list().lines().any(|line| line.starts_with(&format!("{name} "))), "{name}");
    }
    let directory = tempfile::tempdir().unwrap();
    // As on a machine where nobody has put pages yet; each section where `man` looks for it.
    manual.write_man_pages::<C>(&directory.path().join("share/man/man1")).unwrap();
    manual.write_man_pages::<C>(&directory.path().join("all")).unwrap();
    for page in some {
        let section = page.chars().last().unwrap();
        for folder in [format!("share/man/man{section}"), "all".to_owned()] {
            let file = directory.path().join(folder).join(format!("{}{page}", manual.program));
            assert!(std::fs::read_to_string(file).unwrap().contains(".TH"), "{page}");
        }
    }
}
