//! The `atcr-appview` command. Everything is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    atcr_appview::cli::main()
}
