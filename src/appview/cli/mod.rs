//! The command line. What every command line of ours has in common is in [`server::console`].

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::{self, StartError};
use crate::config::Config;
use server::console::{self, CompletionsArguments, ServeArguments, SourceArguments};
use server::daemon::{self, ProcessParts, ProcessSettings};
use server::settings::Sources;

/// The name of the program.
const PROGRAM: &str = "atcr-appview";

/// The registry front end of ATCR: clients push and pull here, manifests go to their owners' repositories, blobs to holds.
///
/// Options come from the defaults, then the TOML file, then `.env` in the working directory, then the environment.
/// The least it needs is ATCR_BASE_URL, its address. `atcr-appview check-config` shows what all of them come to.
#[derive(Parser)]
#[command(name = "atcr-appview", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    sources: SourceArguments,
}

const EXIT_CODES: &str = "Exit codes: 0 done, or ended by a signal; 1 failed; 64 wrong usage; 78 wrong configuration.";

#[derive(Subcommand)]
enum Command {
    /// Serve (the default).
    Serve(ServeArguments),
    /// Check the configuration and print it; starts nothing.
    CheckConfig,
    /// Print a completion script for a shell.
    ///
    /// Example: atcr-appview completions bash > /usr/share/bash-completion/completions/atcr-appview
    #[command(verbatim_doc_comment)]
    Completions(CompletionsArguments),
}

/// Runs the command of this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli: Cli = match console::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let sources = Sources::from(cli.sources);
    let outcome = match cli.command.unwrap_or(Command::Serve(ServeArguments::default())) {
        Command::Serve(arguments) => match Config::load(&sources) {
            Ok(config) => return serve(config, arguments),
            Err(error) => Err(error.into()),
        },
        Command::CheckConfig => {
            Config::show(&sources).map_err(Into::into).and_then(|shown| console::check_config(PROGRAM, &shown))
        }
        Command::Completions(arguments) => arguments.run::<Cli>(PROGRAM),
    };
    console::finish(PROGRAM, outcome)
}

/// Serves until a signal. A SIGHUP changes nothing: no option can be followed while the daemon runs.
fn serve(config: Config, arguments: ServeArguments) -> ExitCode {
    let (log_level, address) = (config.log_level.clone(), config.http_addr.clone());
    let warnings = config.warnings().to_vec();
    let settings = ProcessSettings {
        program: PROGRAM,
        log_level: &log_level,
        warnings: &warnings,
        address: &address,
        address_variable: "ATCR_HTTP_ADDR",
        socket_activated: arguments.socket_activated,
    };
    let serve = async |parts: ProcessParts| {
        // Kept, so that a SIGHUP does not end the process.
        let ProcessParts { listeners, shutdown, hangups: _hangups } = parts;
        app::run(config, listeners.public, shutdown).await
    };
    daemon::run_daemon(&settings, serve, StartError::exit_code)
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn the_commands_contradict_nothing() {
        Cli::command().debug_assert();
    }
}
