//! The command line: the arguments of each command, where it runs, and what it prints.
//!
//! One file for each group of commands. `target` finds the registry that a command is for. The parts that all our
//! command lines share are in [`server::console`].

mod accounts;
mod backup;
mod devices;
mod index;
mod manual;
mod queue;
mod sessions;
mod status;
mod target;
mod uploads;
mod webhooks;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::{self, StartError};
use crate::config::Config;
use manual::MANUAL;
use server::console::{
    self, BackupArguments, CommandError, CommandGroup as Group, CompletionsArguments, ManPagesArguments,
    ManualArguments, ServeArguments, SourceArguments, UnitsArguments,
};
use server::daemon::{self, ProcessParts, ProcessSettings};
use server::reload::Reloads;
use server::settings::{SettingsError, Sources};
use server::units;
use target::Target;

/// The name of the program.
const PROGRAM: &str = "atcr-appview";

/// The registry front end of ATCR: clients push and pull here, manifests go to their owners' repositories, blobs to holds.
///
/// Options come from the defaults, then --config, then --env-file, then the environment.
/// The least it needs is ATCR_BASE_URL, its address. `atcr-appview check-config` shows what all of them come to.
#[derive(Parser)]
#[command(name = "atcr-appview", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    sources: SourceArguments,
}

const EXIT_CODES: &str = "\
accounts, backup, devices, status, sessions, uploads, queue, webhooks and index need the configuration of the registry they
are for.
While it runs all but backup go through its admin socket (ATCR_ADMIN_SOCKET), else they work on its database.

Exit codes: 0 done, or ended by a signal; 1 failed or refused, or status finds no registry that runs;
64 wrong usage; 78 wrong configuration.";

#[derive(Subcommand)]
enum Command {
    /// Serve (the default).
    Serve(ServeArguments),
    /// Check the configuration and print it, secrets masked; starts nothing.
    CheckConfig,
    /// Show how the registry is: database, sessions, uploads, queue.
    Status(status::Arguments),
    /// List accounts, and show, export or delete what is held of one.
    Accounts(Group<accounts::Command>),
    /// List and end sessions at accounts' PDSes.
    Sessions(Group<sessions::Command>),
    /// List devices that act for accounts, and take them back.
    Devices(Group<devices::Command>),
    /// List and abort open uploads.
    Uploads(Group<uploads::Command>),
    /// List, retry and drop what holds are still to be told of manifests.
    Queue(Group<queue::Command>),
    /// List webhooks, and switch them off.
    Webhooks(Group<webhooks::Command>),
    /// Show what can be searched for, build it anew, forget an account.
    Index(Group<index::Command>),
    /// Copy the database into a new file while the registry runs.
    ///
    /// The keys are not in it.
    #[command(after_help = "Example: atcr-appview backup /backup/appview-$(date +%F).db")]
    Backup(BackupArguments),
    /// Print or write the systemd units for a machine without Nix: socket, service, sandbox.
    ///
    /// --directory writes them. --config names the file that the registry is to read.
    #[command(after_help = "Example: atcr-appview systemd-units --directory /etc/systemd/system")]
    SystemdUnits(UnitsArguments),
    /// Show a page of the manual, or the list of its pages.
    #[command(after_help = "Example: atcr-appview manual configuration | less")]
    Manual(ManualArguments),
    /// Write man pages: one for each command, and one for each page of the manual.
    #[command(after_help = "Example: atcr-appview man-pages /usr/local/share/man/man1")]
    ManPages(ManPagesArguments),
    /// Print a completion script for a shell.
    #[command(
        after_help = "Example: atcr-appview completions bash > /usr/share/bash-completion/completions/atcr-appview"
    )]
    Completions(CompletionsArguments),
}

/// Parses the arguments of this process and runs the command.
#[must_use]
pub fn main() -> ExitCode {
    let cli: Cli = match console::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let sources = Sources::from(cli.sources);
    let outcome = match cli.command.unwrap_or(Command::Serve(ServeArguments::default())) {
        Command::Serve(arguments) => match Config::load(&sources) {
            Ok(config) => return serve(config, sources, arguments),
            Err(error) => Err(error.into()),
        },
        other => run(other, &sources),
    };
    console::finish(PROGRAM, outcome)
}

/// Runs any command but `serve`.
fn run(command: Command, sources: &Sources) -> Result<(), CommandError> {
    let load = || Config::load(sources);
    match command {
        Command::Serve(_) => Ok(()),
        Command::CheckConfig => console::check_config(PROGRAM, &Config::show(sources)?),
        Command::SystemdUnits(arguments) => arguments.run(&units!("atcr-appview"), sources),
        Command::Manual(arguments) => arguments.run(&MANUAL),
        Command::ManPages(arguments) => arguments.run::<Cli>(&MANUAL),
        Command::Completions(arguments) => arguments.run::<Cli>(PROGRAM),
        Command::Backup(arguments) => with_config(load(), async |config| backup::run(arguments, &config).await),
        Command::Status(arguments) => at_target(load(), async |target| arguments.run(target).await),
        Command::Accounts(Group { command, json }) => at_target(load(), async |target| command.run(target, json).await),
        Command::Sessions(Group { command, json }) => at_target(load(), async |target| command.run(target, json).await),
        Command::Devices(Group { command, json }) => at_target(load(), async |target| command.run(target, json).await),
        Command::Uploads(Group { command, json }) => at_target(load(), async |target| command.run(target, json).await),
        Command::Queue(Group { command, json }) => at_target(load(), async |target| command.run(target, json).await),
        Command::Webhooks(Group { command, json }) => at_target(load(), async |target| command.run(target, json).await),
        Command::Index(Group { command, json }) => at_target(load(), async |target| command.run(target, json).await),
    }
}

/// Runs a command on the registry of a configuration, in its daemon or in this process.
fn at_target<F>(config: Result<Config, SettingsError>, command: F) -> Result<(), CommandError>
where
    F: AsyncFnOnce(Target) -> Result<(), CommandError>,
{
    with_config(config, async |config| command(target::find(&config).await?).await)
}

/// Runs a command that needs the configuration.
fn with_config<F>(config: Result<Config, SettingsError>, command: F) -> Result<(), CommandError>
where
    F: AsyncFnOnce(Config) -> Result<(), CommandError>,
{
    let config = config?;
    console::warn(PROGRAM, config.warnings());
    console::run(command(config))
}

/// Serves until a signal; reads `sources` again at each SIGHUP.
fn serve(config: Config, sources: Sources, arguments: ServeArguments) -> ExitCode {
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
        let ProcessParts { listeners, shutdown, hangups } = parts;
        let reloads = Reloads::new(hangups, move || Config::load(&sources));
        app::run_reloading(config, Some(reloads), listeners, shutdown).await
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
