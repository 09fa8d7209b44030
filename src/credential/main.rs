//! The `docker-credential-atcr` command. Everything is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    docker_credential_atcr::cli::main()
}
