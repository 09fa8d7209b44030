//! Holds the code to the plan in `src/lib.rs`: who may name whom, where outside crates live, how long a file is.
//! Plain text and the standard library only, so that it never breaks with a compiler or a parser.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Outside crates and the rooms that may name them.
const FENCES: [(&str, &[&str]); 15] = [
    ("rusqlite", &["storage"]),
    ("object_store", &["storage"]),
    ("figment", &["config"]),
    ("dotenvy", &["config"]),
    ("listenfd", &["daemon"]),
    ("sd_notify", &["daemon"]),
    ("tracing_journald", &["daemon"]),
    ("k256", &["repo"]),
    ("p256", &["repo"]),
    ("hyper", &["http", "admin"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("hyper_rustls", &["identity", "crawl", "storage"]),
    ("quick_xml", &["storage"]),
    ("tokio_tungstenite", &["http"]),
];
const MAX_LINES: usize = 300;

struct Source {
    /// The folder below `src`; empty for `lib.rs` and `main.rs`.
    room: String,
    path: PathBuf,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().unwrap() != "node_modules" {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut paths = Vec::new();
    files(&src, &mut paths);
    assert!(paths.len() > 50, "the sources were found");
    let source = |path: PathBuf| {
        let inner = path.strip_prefix(&src).unwrap();
        let room = if inner.components().count() > 1 { inner.iter().next().unwrap().to_str().unwrap() } else { "" };
        Source { room: room.to_owned(), text: fs::read_to_string(&path).unwrap(), path: path.clone() }
    };
    paths.into_iter().map(source).collect()
}

/// The table of `src/lib.rs`: each room and those it may name, in the order of the table.
fn plan() -> Vec<(String, BTreeSet<String>)> {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let mut above = BTreeSet::new();
    let mut plan = Vec::new();
    for row in rows {
        let (room, rest) = row.split_once('`').unwrap();
        let names = rest.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let allowed: BTreeSet<String> = match names {
            "–" => BTreeSet::new(),
            "all" => above.clone(),
            list => list.split(", ").map(str::to_owned).collect(),
        };
        let below: Vec<_> = allowed.difference(&above).collect();
        assert!(below.is_empty(), "{room} may name {below:?}, which do not stand above it");
        above.insert(room.to_owned());
        plan.push((room.to_owned(), allowed));
    }
    plan
}

/// The code of a file: its comments and its unit tests name what they like.
fn code(text: &str) -> String {
    let before_tests = text.split("\n#[cfg(test)]").next().unwrap();
    let lines = before_tests.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every `first` in paths `<prefix>first…` and `<prefix>{first…, first…}`.
fn named_after(prefix: &str, code: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let preceded =
            code[..at].chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
        let rest = &code[at + prefix.len()..];
        if preceded {
            continue;
        }
        match rest.strip_prefix('{') {
            None => _ = names.insert(word(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut first = true;
                for (at, c) in group.char_indices() {
                    if first && !c.is_whitespace() && depth == 0 {
                        names.insert(word(&group[at..]));
                        first = false;
                    }
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => first = true,
                        _ => {}
                    }
                }
            }
        }
    }
    names.remove("");
    names
}

#[test]
fn rooms_name_only_what_the_plan_allows() {
    let plan: BTreeMap<_, _> = plan().into_iter().collect();
    for source in sources().iter().filter(|source| !source.room.is_empty()) {
        let allowed = &plan[&source.room];
        for named in named_after("crate::", &code(&source.text)) {
            let is_room = plan.contains_key(&named);
            assert!(
                !is_room || named == source.room || allowed.contains(&named),
                "{}: room {} may not name {named}",
                source.path.display(),
                source.room
            );
        }
    }
}

#[test]
fn the_plan_is_the_disk() {
    let planned: BTreeSet<_> = plan().into_iter().map(|(room, _)| room).collect();
    let on_disk: BTreeSet<_> =
        sources().into_iter().map(|source| source.room).filter(|room| !room.is_empty()).collect();
    assert_eq!(planned, on_disk);
}

#[test]
fn outside_crates_have_their_addresses() {
    for source in sources() {
        let code = code(&source.text);
        for (outside, rooms) in FENCES {
            let named = !named_after(&format!("{outside}::"), &code).is_empty();
            assert!(!named || rooms.contains(&source.room.as_str()), "{}: {outside}", source.path.display());
        }
    }
}

#[test]
fn no_room_passes_another_one_off_as_its_own() {
    for source in sources().iter().filter(|source| !source.room.is_empty()) {
        let others = code(&source.text)
            .lines()
            .filter(|line| line.trim_start().starts_with("pub use crate::"))
            .filter(|line| !line.contains(&format!("crate::{}", source.room)))
            .count();
        assert_eq!(others, 0, "{}", source.path.display());
    }
}

#[test]
fn every_file_says_what_it_is_for_and_is_not_long() {
    let mut paths = Vec::new();
    files(&root().join("src"), &mut paths);
    files(&root().join("tests"), &mut paths);
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{}: it must open with //!", path.display());
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{}: {lines} lines", path.display());
    }
}

#[test]
fn names_of_the_wire_are_spelt_in_the_lexicon_only() {
    for source in sources().iter().filter(|source| source.room != "lexicon") {
        for (number, line) in code(&source.text).lines().enumerate() {
            // Messages for people may name a collection; a literal that is one alone may not stand elsewhere.
            let literals = line.split('"').skip(1).step_by(2);
            for literal in literals {
                let is_nsid = ["io.atcr.", "com.atproto.", "app.bsky."].iter().any(|p| literal.starts_with(p))
                    && literal.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
                assert!(!is_nsid, "{}, line of code {}: {literal}", source.path.display(), number + 1);
            }
        }
    }
}

#[test]
fn top_level_is_what_was_agreed() {
    const AGREED: [&str; 10] = [
        "Cargo.toml",
        "Cargo.lock",
        "flake.nix",
        "flake.lock",
        "src",
        "nixos",
        "tests",
        "README.md",
        "LICENSE",
        "target",
    ];
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with('.') || AGREED.contains(&name.as_str()), "{name} has no place at the top level");
    }
}

#[test]
fn the_reader_of_paths_reads_groups() {
    let code = "use crate::storage::X;\nuse crate::{a::B, c::{d, e}, f};\nother_crate::g(); crate::h()";
    let expected = ["storage", "a", "c", "f", "h"].map(str::to_owned).into();
    assert_eq!(named_after("crate::", code), expected);
}
