//! Arguments that all programs share.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::daemon::EX_USAGE;
use crate::settings::{Environment, Sources};

/// The file of environment variables in the working directory.
const DOTENV: &str = ".env";

/// The sources of the configuration.
#[derive(Args)]
pub struct SourceArguments {
    /// A TOML file with options.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// A file of environment variables, a line each, which override --config. Without --config: .env in the working
    /// directory.
    #[arg(long, value_name = "FILE", global = true)]
    pub env_file: Option<PathBuf>,
}

impl From<SourceArguments> for Sources {
    fn from(arguments: SourceArguments) -> Self {
        Self {
            file: arguments.config,
            env_file: arguments.env_file,
            dotenv: DOTENV.into(),
            environment: Environment::of_process(),
        }
    }
}

/// Arguments of `serve`: the sockets of a daemon.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ServeArguments {
    /// Serve on the sockets passed on by systemd and on nothing else: without one, exit with 78.
    #[arg(long)]
    pub socket_activated: bool,
}

/// A group of commands that print a result.
#[derive(Args)]
pub struct CommandGroup<C: Subcommand> {
    /// The command.
    #[command(subcommand)]
    pub command: C,
    /// Print one JSON document.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Returns the parser of an argument that is a number of the first column of what the command `list` prints.
pub fn listed_number(list: &'static str) -> impl Fn(&str) -> Result<i64, String> + Clone + Send + Sync + 'static {
    move |text| text.parse().map_err(|_| format!("it is the number that `{list}` shows"))
}

/// Parses the arguments of this process.
///
/// # Errors
/// The exit code, after help, the version or the error was printed.
pub fn parse<C: Parser>() -> Result<C, ExitCode> {
    C::try_parse().map_err(|error| {
        let code = if error.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
        let _ = error.print();
        code
    })
}
