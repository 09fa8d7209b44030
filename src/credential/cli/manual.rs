//! The manual of the program.

use server::console::Manual;

/// One page, in `src/credential/manual`.
pub(super) const MANUAL: Manual =
    Manual { program: super::PROGRAM, topics: &[("credentials", include_str!("../manual/credentials.md"))] };

#[cfg(test)]
mod tests {
    use super::MANUAL;
    use crate::cli::Cli;

    #[test]
    fn every_command_and_the_manual_have_a_man_page() {
        let folder = tempfile::tempdir().unwrap();
        MANUAL.write_man_pages::<Cli>(folder.path()).unwrap();
        let program = super::super::PROGRAM;
        for name in [".1", "-login.1", "-configure-docker.1", "-credentials.7"] {
            assert!(std::fs::read_to_string(folder.path().join(format!("{program}{name}"))).unwrap().contains(".TH"));
        }
    }
}
