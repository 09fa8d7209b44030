//! Runs a command, and ends the process.

use std::process::ExitCode;

use super::{CommandError, output};

/// Runs `command` on a runtime of one thread.
///
/// # Errors
/// The error of the command.
pub fn run(command: impl Future<Output = Result<(), CommandError>>) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandError::failed(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(command)
}

/// Prints each of `warnings` in a line of standard error.
#[expect(clippy::print_stderr, reason = "a command's warnings go there")]
pub fn warn(program: &str, warnings: &[String]) {
    for warning in warnings {
        eprintln!("{program}: warning: {warning}");
    }
}

/// Prints the effective configuration, secrets masked, after its warnings.
///
/// # Errors
/// As [`output::text`].
pub fn check_config(program: &str, (toml, warnings): &(String, Vec<String>)) -> Result<(), CommandError> {
    warn(program, warnings);
    output::text(toml)
}

/// Prints the error of a command, if it failed, and returns the exit code of the process.
#[expect(clippy::print_stderr, reason = "a command's error goes there")]
pub fn finish(program: &str, outcome: Result<(), CommandError>) -> ExitCode {
    match outcome {
        // The reader of the output has closed it, which is no failure.
        Ok(()) | Err(CommandError::Unread) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
