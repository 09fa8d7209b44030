//! Files that come from tables in the code.
//!
//! With `ATCR_HOLD_WRITE` set, a test that finds one out of date brings it up to date.

use std::path::{Path, PathBuf};

use server::settings::{Reload, Setting, markdown};

/// The folder of the whole project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `file` is `wanted`, or becomes it when that is asked for.
pub(crate) fn is_up_to_date(file: &Path, wanted: &str) {
    #[expect(clippy::disallowed_methods, reason = "who runs a test tells it so")]
    if std::env::var("ATCR_HOLD_WRITE").is_ok() {
        std::fs::write(file, wanted).unwrap();
    }
    assert!(std::fs::read_to_string(file).unwrap() == wanted, "{}: see the head of this test", file.display());
}

/// A page of a manual has the table of these options.
pub(crate) fn has_options(page: &str, options: &[Setting]) {
    let file = root().join(page);
    let text = std::fs::read_to_string(&file).unwrap();
    let begin = text.find("| TOML | variable |").expect("the table's head");
    let end = begin + text[begin..].find("\n\n").expect("the table's end") + 1;
    is_up_to_date(&file, &format!("{}{}{}", &text[..begin], markdown(options), &text[end..]));
}

/// The NixOS module of `atcr-<program>` knows which of these options a reload follows.
pub(crate) fn module_has_live_options(program: &str, options: &[Setting]) {
    let live = options.iter().filter(|option| option.reload == Reload::Live);
    let mut names: Vec<_> = live.map(Setting::root).collect();
    names.dedup();
    let json = serde_json::to_string_pretty(&names).unwrap() + "\n";
    is_up_to_date(&root().join("nixos").join(program).join("live-options.json"), &json);
}

/// Each line that a page says the log has is in the code, so that an operator finds it: the texts in the first column
/// of the table under "What the log says", but for what stands for something ("…", "N").
pub(crate) fn log_lines_are_in_the_code(page: &str, program: &str) {
    let mut code = String::new();
    for part in [program, "server"] {
        add_code(&root().join("src").join(part), &mut code);
    }
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let table =
        text.split("## What the log says").nth(1).expect("the chapter").lines().filter(|line| line.starts_with('|'));
    let lines: Vec<_> = table
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2).filter(|words| words.contains(' ')))
        .collect();
    assert!(lines.len() > 10, "{lines:?}");
    for line in lines {
        for words in line.split(['…', ';']).flat_map(|words| words.split(" N s")) {
            let words = words.trim_matches([' ', ':', ',']);
            assert!(code.contains(words), "{page}: the log never says {words:?} of {line:?}");
        }
    }
}

/// Adds the text of all sources in `folder`, with literals that go on in the next line in one.
fn add_code(folder: &Path, code: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_code(&path, code);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            code.extend(text.split("\\\n").map(str::trim_start));
        }
    }
}
