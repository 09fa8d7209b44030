//! The command line: what is asked, where it runs, how its outcome is shown.
//!
//! One file a group of commands: its arguments for clap, and what it prints. [`target`] finds the hold that a command
//! is for: the running one through its admin socket, else the one on disk. Errors are one line on standard error.
//! Exit codes: 0 done, 1 failed or refused, 64 wrong usage, 78 wrong configuration.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod backup;
mod crew;
mod error;
mod gc;
mod identity;
mod images;
mod manual;
mod output;
mod progress;
mod repo;
mod serve;
mod storage;
mod successor;
mod table;
mod target;
mod transfer;
mod units;
mod uploads;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::Config;
use error::CommandError;
use server::settings::{Environment, SettingsError, Sources};
use target::Target;

/// A hold for the ATCR container registry: stores image layers, and is an atproto account itself.
///
/// Options come from the defaults, then the TOML file, then `.env` in the working directory, then the environment.
/// The least a hold needs: HOLD_PUBLIC_URL (its address), HOLD_OWNER (your DID) and STORAGE_ROOT_DIR (where the
/// blobs go). `atcr-hold check-config` shows what all of them come to.
#[derive(Parser)]
#[command(name = "atcr-hold", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// A TOML file with options.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// A file of variables, a line each, which count more than --config. Without --config: .env in the working directory.
    #[arg(long, value_name = "FILE", global = true)]
    env_file: Option<PathBuf>,
}

const EXIT_CODES: &str = "\
backup, crew, identity, uploads, storage, gc, images, repo and successor need the configuration of the hold they are for.
While the hold runs all but backup go through its admin socket (HOLD_ADMIN_SOCKET), else they work on its database.

Exit codes: 0 done, or ended by a signal; 1 failed or refused, or something is wrong in
the storage; 64 wrong usage; 78 wrong configuration.";

#[derive(Subcommand)]
enum Command {
    /// Serve (the default).
    Serve,
    /// Check the configuration and print it, secrets masked; starts nothing.
    CheckConfig,
    /// Who may push and pull.
    Crew(Group<crew::Command>),
    /// Who the hold is: DID, key, repository.
    Identity(identity::Arguments),
    /// Copy the database into a new file, as it is now, while the hold goes on. Restored, it is the hold of this moment.
    ///
    /// The signing key and the blobs are not in it. Copy the blobs after it.
    ///
    /// Example: atcr-hold backup /backup/hold-$(date +%F).db
    #[command(verbatim_doc_comment)]
    Backup(backup::Arguments),
    /// Uploads that are not completed.
    Uploads(Group<uploads::Command>),
    /// Where the blobs are: what it takes, whether it is right, and moving it.
    Storage(Group<storage::Command>),
    /// Remove blobs that no manifest needs.
    ///
    /// A blob goes when no layer record and no config of a manifest names it, and nobody uploaded it or asked for it
    /// during gc.grace_s. The hold goes on meanwhile. See gc.enabled for doing it every day.
    Gc(gc::Arguments),
    /// Images: what is recorded of them.
    Images(Group<images::Command>),
    /// The signed repository: captain, crew, profile.
    Repo(Group<repo::Command>),
    /// To a hold under another address: what it must know of this one.
    Successor(Group<successor::Command>),
    /// The units for a machine with systemd and without Nix: socket, service, sandbox.
    ///
    /// Printed, or written by --directory. --config names the file that the hold is to read.
    ///
    /// Example: atcr-hold systemd-units --directory /etc/systemd/system
    #[command(verbatim_doc_comment)]
    SystemdUnits(units::Arguments),
    /// Show a page of the manual, or the list of its pages.
    ///
    /// Example: atcr-hold manual configuration | less
    #[command(verbatim_doc_comment)]
    Manual(manual::ManualArguments),
    /// Write man pages: one a command, and the manual's.
    ///
    /// Example: atcr-hold man-pages /usr/local/share/man/man1
    #[command(verbatim_doc_comment)]
    ManPages(manual::ManPagesArguments),
    /// Print a completion script for a shell.
    ///
    /// Example: atcr-hold completions bash > /usr/share/bash-completion/completions/atcr-hold
    #[command(verbatim_doc_comment)]
    Completions {
        /// Which shell.
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(["bash", "zsh", "fish"]))]
        shell: String,
    },
}

/// A group of commands that show what came of them.
#[derive(Args)]
struct Group<C: Subcommand> {
    #[command(subcommand)]
    command: C,
    /// Print one JSON document.
    #[arg(long, global = true)]
    json: bool,
}

/// In the working directory.
const DOTENV: &str = ".env";
const EX_USAGE: u8 = 64;
const EX_CONFIG: u8 = 78;

/// Runs the command of this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
            let _ = error.print();
            return code;
        }
    };
    let sources = Sources {
        file: cli.config,
        env_file: cli.env_file,
        dotenv: DOTENV.into(),
        environment: Environment::of_process(),
    };
    let load = || Config::load(&sources);
    let again = sources.clone();
    let load_again = move || Config::load(&again);
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => match load() {
            Ok(config) => serve::serve(config, load_again),
            Err(error) => ended(Err(error.into())),
        },
        Command::CheckConfig => ended(check_config(&sources)),
        Command::SystemdUnits(arguments) => ended(arguments.run(sources.file.as_deref())),
        Command::Manual(arguments) => ended(arguments.run()),
        Command::ManPages(arguments) => ended(arguments.run()),
        Command::Completions { shell } => ended(completions(&shell)),
        Command::Crew(Group { command, json }) => run(load(), async |target| command.run(target, json).await),
        Command::Identity(arguments) => run_alone(load(), async |config| arguments.run(&config).await),
        Command::Backup(arguments) => run_alone(load(), async |config| arguments.run(&config).await),
        Command::Uploads(Group { command, json }) => run(load(), async |target| command.run(target, json).await),
        Command::Storage(Group { command, json }) => run_alone(load(), async |config| command.run(&config, json).await),
        Command::Successor(Group { command, json }) => run(load(), async |target| command.run(target, json).await),
        Command::Gc(arguments) => run(load(), async |target| arguments.run(target).await),
        Command::Images(Group { command, json }) => run(load(), async |target| command.run(target, json).await),
        Command::Repo(Group { command, json }) => run(load(), async |target| command.run(target, json).await),
    }
}

/// Runs a command that needs a hold.
fn run<F>(config: Result<Config, SettingsError>, command: F) -> ExitCode
where
    F: AsyncFnOnce(Target) -> Result<(), CommandError>,
{
    run_alone(config, async |config| command(Target::find(&config).await?).await)
}

/// Runs a command that finds by itself what it needs.
fn run_alone<F>(config: Result<Config, SettingsError>, command: F) -> ExitCode
where
    F: AsyncFnOnce(Config) -> Result<(), CommandError>,
{
    let outcome = config.map_err(CommandError::from).and_then(|config| {
        warn(config.warnings());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| CommandError::failed(format!("cannot start the runtime: {error}")))?;
        runtime.block_on(command(config))
    });
    ended(outcome)
}

fn check_config(sources: &Sources) -> Result<(), CommandError> {
    let (text, warnings) = Config::show(sources)?;
    warn(&warnings);
    output::text(&text)
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        eprintln!("atcr-hold: warning: {warning}");
    }
}

fn completions(shell: &str) -> Result<(), CommandError> {
    let shell = match shell {
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => Shell::Bash,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "atcr-hold", &mut script);
    output::bytes(&script)
}

fn ended(outcome: Result<(), CommandError>) -> ExitCode {
    match outcome {
        // Whoever read the output has seen enough.
        Ok(()) | Err(CommandError::Unread) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("atcr-hold: {error}");
            ExitCode::from(error.exit_code())
        }
    }
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
