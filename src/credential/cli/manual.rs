//! The manual of the program.

use server::console::Manual;

/// The manual: one page, in `src/credential/manual`.
pub(super) const MANUAL: Manual =
    Manual { program: super::PROGRAM, topics: &[("credentials", include_str!("../manual/credentials.md"))] };

#[cfg(test)]
#[path = "../../../tests/support/man_pages.rs"]
mod man_pages;

#[test]
fn it_is_the_folder_and_has_man_pages() {
    let some = [".1", "-login.1", "-configure-docker.1", "-credentials.7"];
    man_pages::assert_whole::<super::Cli>(&MANUAL, &some);
}
