//! The AT Protocol's own test vectors (<https://github.com/bluesky-social/atproto-interop-tests>), shared by all
//! implementations. `ATCR_HOLD_INTEROP` names a copy of them; without it these tests say so and pass.
//!
//! Not read, since there is no such type here: `syntax/language_*`, `syntax/uri_*`. `mst/gen_keys.py` is what
//! made `mst/example_keys.txt`.

#![allow(clippy::unwrap_used, clippy::panic)]

mod crypto;
mod data_model;
mod syntax;
mod tree;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Once;

static SAY_SKIPPED: Once = Once::new();

/// A file of the vectors, `None` when there is no copy of them.
fn file(path: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the environment says where the real parts are")]
    let Ok(directory) = std::env::var("ATCR_HOLD_INTEROP") else {
        // Not `eprintln!`, which is captured: that tests were skipped is to be seen though they pass.
        SAY_SKIPPED.call_once(|| {
            let line = "skipped: interop vectors: ATCR_HOLD_INTEROP is not set\n";
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        });
        return None;
    };
    let path = PathBuf::from(directory).join(path);
    Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The items of a JSON file. There is at least one.
fn json(path: &str) -> Vec<serde_json::Value> {
    let Some(text) = file(path) else { return Vec::new() };
    let items: Vec<_> = serde_json::from_str(&text).unwrap();
    assert!(!items.is_empty(), "{path} holds no vectors");
    items
}

/// The lines of a text file without comments. There is at least one.
fn lines(path: &str) -> Vec<String> {
    let Some(text) = file(path) else { return Vec::new() };
    let lines: Vec<_> = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect();
    assert!(!lines.is_empty(), "{path} holds no vectors");
    lines
}

/// The text field of an item.
fn text<'a>(item: &'a serde_json::Value, field: &str) -> &'a str {
    item[field].as_str().unwrap_or_else(|| panic!("{field} is not text in {item}"))
}

/// The bytes of a field in base64 without padding.
fn base64(item: &serde_json::Value, field: &str) -> Vec<u8> {
    data_encoding::BASE64_NOPAD.decode(text(item, field).trim_end_matches('=').as_bytes()).unwrap()
}
