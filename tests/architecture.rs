//! Holds the code to the plan in each crate's `lib.rs`: who may name whom, where outside crates live, how long a file is.
//! Plain text and the standard library only, so that it never breaks with a compiler or a parser.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

mod circles;
mod documents;

/// The crates, each of which may name those that stand before it; its `lib.rs` has the table of its rooms.
const CRATES: [&str; 5] = ["atproto", "server", "hold", "appview", "credential"];
/// Those that are programs, which no other crate names.
const PROGRAMS: [&str; 3] = ["atcr-hold", "atcr-appview", "docker-credential-atcr"];
/// Outside crates and the rooms, or folders of rooms, that may name them.
const FENCES: [(&str, &[&str]); 23] = [
    (
        "rusqlite",
        &[
            "server/sqlite",
            "hold/schema",
            "hold/pds/tables",
            "hold/blobs/tables",
            "hold/images/tables",
            "hold/upkeep/tables",
            "appview/accounts/tables",
            "appview/uploads/tables",
            "appview/images/tables",
            "appview/devices/tables",
            "appview/web/tables",
            "appview/catalog/tables",
            "appview/index/tables",
            "appview/webhooks/tables",
        ],
    ),
    ("object_store", &["hold/objects"]),
    ("figment", &["server/settings"]),
    ("dotenvy", &["server/settings"]),
    ("strsim", &["server/settings"]),
    ("listenfd", &["server/daemon"]),
    ("sd_notify", &["server/daemon"]),
    ("tracing_journald", &["server/daemon"]),
    ("k256", &["atproto/keys"]),
    ("p256", &["atproto/keys"]),
    ("hyper", &["server/wire", "server/egress"]),
    ("hyper_util", &["server/wire", "server/egress"]),
    ("clap", &["server/console", "hold/cli", "appview/cli", "credential/cli"]),
    ("clap_complete", &["server/console"]),
    ("clap_mangen", &["server/console"]),
    ("hyper_rustls", &["server/egress"]),
    ("rustls", &["server/egress"]),
    ("simple_dns", &["server/egress"]),
    ("quick_xml", &["hold/objects"]),
    ("askama", &["hold/api", "appview/web"]),
    ("pulldown_cmark", &["appview/index", "appview/web"]),
    ("multer", &["appview/web"]),
    ("tokio_tungstenite", &["server/wire", "server/egress", "hold/api"]),
];
const MAX_LINES: usize = 400;

/// A room: its crate and its folder below it.
type Room = (&'static str, String);

struct Source {
    /// The folder below the crate; empty for `lib.rs` and `main.rs`.
    room: Room,
    path: PathBuf,
    text: String,
}

impl Source {
    fn is_root(&self) -> bool {
        self.room.1.is_empty()
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
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
    let mut sources = Vec::new();
    for name in CRATES {
        let src = root().join("src").join(name);
        let mut paths = Vec::new();
        files(&src, &mut paths);
        assert!(paths.len() > 10, "the sources of {name} were found");
        for path in paths {
            let inner = path.strip_prefix(&src).unwrap();
            let room = if inner.components().count() > 1 { inner.iter().next().unwrap().to_str().unwrap() } else { "" };
            sources.push(Source {
                room: (name, room.to_owned()),
                text: fs::read_to_string(&path).unwrap(),
                path: path.clone(),
            });
        }
    }
    sources
}

/// The table of a crate's `lib.rs`: each room and those of the same crate it may name, in the order of the table.
fn plan(name: &str) -> Vec<(String, BTreeSet<String>)> {
    let lib = fs::read_to_string(root().join("src").join(name).join("lib.rs")).unwrap();
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
        assert!(below.is_empty(), "{name}: {room} may name {below:?}, which do not stand above it");
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

/// The rooms of its own crate that each room names, in all its files.
fn named_rooms(name: &'static str) -> BTreeMap<String, BTreeSet<String>> {
    let rooms: BTreeSet<_> = plan(name).into_iter().map(|(room, _)| room).collect();
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources().into_iter().filter(|source| source.room.0 == name && !source.is_root()) {
        let mut others = named_after("crate::", &code(&source.text));
        others.retain(|other| rooms.contains(other) && *other != source.room.1);
        named.entry(source.room.1).or_default().extend(others);
    }
    named
}

#[test]
fn rooms_name_only_what_the_plan_allows() {
    for name in CRATES {
        let named = named_rooms(name);
        for (room, allowed) in plan(name) {
            let forbidden: Vec<_> = named[&room].difference(&allowed).collect();
            assert!(forbidden.is_empty(), "{name}: room {room} may not name {forbidden:?}");
        }
    }
}

#[test]
fn no_permission_is_unused() {
    for name in CRATES {
        let lib = fs::read_to_string(root().join("src").join(name).join("lib.rs")).unwrap();
        let named = named_rooms(name);
        for (room, allowed) in plan(name) {
            // `all` is what wiring has; a list says exactly what is used.
            let says_all =
                lib.lines().any(|line| line.starts_with(&format!("//! | `{room}`")) && line.ends_with("| all |"));
            let unused: Vec<_> = allowed.difference(&named[&room]).collect();
            assert!(says_all || unused.is_empty(), "{name}: room {room} may name {unused:?}, and does not");
        }
    }
}

#[test]
fn crates_name_only_those_before_them() {
    for (index, name) in CRATES.iter().enumerate() {
        let manifest = fs::read_to_string(root().join("src").join(name).join("Cargo.toml")).unwrap();
        for later in &CRATES[index..] {
            assert!(!manifest.contains(&format!("\n{later}.workspace")), "{name} may not depend on {later}");
        }
        // The programs meet in the lexicon only.
        for program in PROGRAMS {
            assert!(!manifest.contains(&format!("\n{program}")), "{name} may not depend on a program");
        }
    }
}

#[test]
fn the_plan_is_the_disk() {
    for name in CRATES {
        let planned: BTreeSet<_> = plan(name).into_iter().map(|(room, _)| room).collect();
        let of_crate = sources().into_iter().filter(|source| source.room.0 == name && !source.is_root());
        assert_eq!(planned, of_crate.map(|source| source.room.1).collect(), "{name}");
    }
}

#[test]
fn outside_crates_have_their_addresses() {
    for source in sources() {
        let code = code(&source.text);
        let path = source.path.strip_prefix(root().join("src")).unwrap();
        for (outside, folders) in FENCES {
            let named = !named_after(&format!("{outside}::"), &code).is_empty();
            let is_inside = folders.iter().any(|folder| path.starts_with(folder));
            assert!(!named || is_inside, "{}: {outside}", source.path.display());
        }
    }
}

#[test]
fn sql_stands_in_the_tables_of_the_room_that_owns_them() {
    let verbs = ["SELECT ", "WITH ", "INSERT ", "UPDATE ", "DELETE FROM "];
    for source in sources() {
        let path = source.path.strip_prefix(root().join("src")).unwrap();
        let code = code(&source.text);
        // The engine, and the test of query plans.
        let is_below = ["server/sqlite", "hold/schema", "appview/schema"].iter().any(|below| path.starts_with(below));
        if is_below || path.iter().any(|part| part == "tables") {
            continue;
        }
        let literal = code.split('"').skip(1).step_by(2).find(|text| verbs.iter().any(|verb| text.starts_with(verb)));
        assert_eq!(literal, None, "{}", path.display());
        let foreign = code.match_indices("::tables::").find(|(at, _)| !code[..*at].ends_with(&source.room.1));
        assert_eq!(foreign, None, "{}: the tables of another room", path.display());
    }
}

#[test]
fn no_room_passes_another_one_off_as_its_own() {
    for source in sources().iter().filter(|source| !source.is_root()) {
        let own = format!("crate::{}", source.room.1);
        let others = code(&source.text)
            .lines()
            .filter(|line| line.trim_start().starts_with("pub use "))
            .filter(|line| ["crate::", "atproto::", "server::"].iter().any(|other| line.contains(other)))
            .filter(|line| !line.contains(&own))
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
    for source in sources().iter().filter(|source| source.room.1 != "lexicon") {
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

/// The names of the types that a file makes public, with those of its traits.
fn public_types(code: &str) -> impl Iterator<Item = &str> {
    let declared = code.lines().filter_map(|line| {
        let (kind, rest) = line.trim_start().strip_prefix("pub ")?.split_once(' ')?;
        ["struct", "enum", "trait", "type", "union"].contains(&kind).then_some(rest)
    });
    declared.filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next())
}

#[test]
fn a_public_type_has_a_name_of_its_own_in_its_crate() {
    for name in CRATES {
        let mut places: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for source in sources().into_iter().filter(|source| source.room.0 == name) {
            for found in public_types(&code(&source.text)) {
                places.entry(found.to_owned()).or_default().push(source.path.clone());
            }
        }
        let twice: Vec<_> = places.iter().filter(|(_, paths)| paths.len() > 1).collect();
        assert!(twice.is_empty(), "{name}: {twice:?}");
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
