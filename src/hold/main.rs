//! The `atcr-hold` command. Everything is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    atcr_hold::cli::main()
}
