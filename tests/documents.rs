//! Documents lead to what is there: the links between them with their anchors, the paths and scripts that they name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The documents, below the folder of the whole project; none in a copy of the sources alone, as Nix's sandbox has it.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    if super::root().join("README.md").exists() {
        found.push(super::root().join("README.md"));
        for folder in [".github", "nixos", "src", "tests"] {
            below(&super::root().join(folder), &mut found);
        }
    }
    found
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "node_modules" && name != "target") {
            below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The lines of a document outside of its examples.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The texts in backticks, of one line each.
fn words(prose: &str) -> impl Iterator<Item = &str> {
    prose.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The targets of links; what is in backticks is none.
fn links(prose: &str) -> Vec<&str> {
    let outside = prose.lines().flat_map(|line| line.split("](").skip(1));
    outside.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

/// The anchors of a document, as the forge makes them of its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let headings = prose(text);
    let headings =
        headings.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| -> String {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    let numbered = headings.map(anchor).map(|anchor| {
        let earlier = times.entry(anchor.clone()).and_modify(|times| *times += 1).or_default();
        if *earlier == 0 { anchor } else { format!("{anchor}-{earlier}") }
    });
    numbered.collect()
}

/// What is wrong with a link of `document`.
fn problem(document: &Path, link: &str) -> Option<String> {
    if link.starts_with("https://") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() { document.to_owned() } else { document.parent().unwrap().join(path) };
    if !target.exists() {
        return Some(format!("{}: {link} leads to no file", document.display()));
    }
    let is_there = anchor.is_empty() || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor);
    (!is_there).then(|| format!("{}: {link} leads to no heading", document.display()))
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut problems = Vec::new();
    for document in documents() {
        let prose = prose(&fs::read_to_string(&document).unwrap());
        problems.extend(links(&prose).into_iter().filter_map(|link| problem(&document, link)));
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn files_that_documents_name_are_there() {
    let mut problems = Vec::new();
    for document in documents() {
        let prose = prose(&fs::read_to_string(&document).unwrap());
        // `bash tests/x.sh part` too; a pattern or a placeholder is no path.
        for word in words(&prose).flat_map(str::split_whitespace) {
            let is_ours = ["src/", "nixos/", "tests/", ".github/"].iter().any(|folder| word.starts_with(folder));
            let is_path = word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            // In nixos/ and tests/ names are also from that folder on.
            let folders = [super::root(), document.parent().unwrap()];
            if is_ours && is_path && !folders.iter().any(|folder| folder.join(word).exists()) {
                problems.push(format!("{}: there is no {word}", document.display()));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn documents_ask_for_the_rust_that_the_manifest_asks_for() {
    let manifest = fs::read_to_string(super::root().join("Cargo.toml")).unwrap();
    let wanted = manifest.split("rust-version = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    for document in documents() {
        for rest in fs::read_to_string(&document).unwrap().split("Rust 1.").skip(1) {
            let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
            assert_eq!(format!("1.{minor}"), wanted, "{}", document.display());
        }
    }
}

#[test]
fn anchors_are_those_of_the_forge() {
    let text = "# A `b`, and c\n## x_y: z-1\n```\n# no heading\n```\n## A b and c\n## A, b and c\n";
    let expected = ["a-b-and-c", "x_y-z-1", "a-b-and-c-1", "a-b-and-c-2"].map(str::to_owned);
    assert_eq!(anchors(text), expected.into());
    assert_eq!(links("[a](b.md#c) and [d](https://e)"), ["b.md#c", "https://e"]);
}

/// The image of the flake is a script that writes it (`streamLayeredImage`): what `nix build` leaves is no archive.
#[test]
fn an_archive_of_the_image_is_written_before_it_is_read() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for (before, rest) in
            text.match_indices("docker-archive:").map(|(at, name)| (&text[..at], &text[at + name.len()..]))
        {
            let archive = rest.split_whitespace().next().unwrap();
            assert!(before.contains(&format!("nix run .#image > {archive}\n")), "{}: {archive}", document.display());
        }
    }
}

/// A sentence about the moment at which it was written is wrong with the next release.
#[test]
fn manuals_have_no_words_that_age() {
    for document in documents().into_iter().filter(|path| path.components().any(|part| part.as_os_str() == "manual")) {
        if document.ends_with("changes.md") {
            continue;
        }
        let text = fs::read_to_string(&document).unwrap().to_lowercase();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in ["this version", "currently", "for now", "so far", "nowadays", "recently"] {
            assert!(!text.contains(&format!(" {word}")), "{}: {word:?}", document.display());
        }
    }
}
