//! Files that come from tables in the code.
//!
//! With `ATCR_HOLD_WRITE` set, a test that finds one out of date brings it up to date.

use std::path::{Path, PathBuf};

use server::settings::{Setting, markdown};

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
