//! The command line: the arguments of each command, where it runs, and its output.
//!
//! One file a group of commands: its arguments for clap, and its output. `target` finds the hold that a command is
//! for. The parts that all command lines share are in [`server::console`].

mod backup;
mod crew;
mod gc;
mod identity;
mod images;
mod manual;
mod repo;
mod storage;
mod successor;
mod target;
mod uploads;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::{self, StartError, StorageUse};
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
const PROGRAM: &str = "atcr-hold";

/// A hold for the ATCR container registry: stores image layers, and is an atproto account itself.
///
/// Options come from the defaults, then --config, then --env-file, then the environment. The minimum: HOLD_PUBLIC_URL
/// (the hold's address), HOLD_OWNER (your DID) and STORAGE_ROOT_DIR (the directory of the blobs). `atcr-hold
/// check-config` prints the effective configuration.
#[derive(Parser)]
#[command(name = "atcr-hold", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    sources: SourceArguments,
}

const EXIT_CODES: &str = "\
backup, crew, identity, uploads, storage, gc, images, repo and successor need the configuration of the hold they are for.
While the hold runs all but backup go through its admin socket (HOLD_ADMIN_SOCKET), else they work on its database.

Exit codes: 0 done, or ended by a signal; 1 failed or refused, or something is wrong in
the storage; 64 wrong usage; 78 wrong configuration.";

#[derive(Subcommand)]
enum Command {
    /// Serve (the default).
    Serve(ServeArguments),
    /// Check the configuration and print it, secrets masked; starts nothing.
    CheckConfig,
    /// List and change the crew: the accounts that may push and pull.
    Crew(Group<crew::Command>),
    /// Show the DID, key and repository of the hold, or change its signing key.
    Identity(identity::Arguments),
    /// Copy the database into a new file while the hold runs.
    ///
    /// The signing key and the blobs are not in it. Copy the blobs after it.
    #[command(after_help = "Example: atcr-hold backup /backup/hold-$(date +%F).db")]
    Backup(BackupArguments),
    /// List and abort open uploads.
    Uploads(Group<uploads::Command>),
    /// Measure, verify and move the storage of the blobs.
    Storage(Group<storage::Command>),
    /// Remove blobs that no manifest needs.
    ///
    /// A blob is removed when no layer record and no manifest's config refers to it, and it was neither uploaded nor
    /// requested during gc.grace_s. The hold runs meanwhile. gc.enabled does it on a schedule.
    Gc(gc::Arguments),
    /// Reconcile the recorded images with the repositories of their owners, or delete those of an account.
    Images(Group<images::Command>),
    /// Export, import and verify the signed repository: captain, crew, profile.
    Repo(Group<repo::Command>),
    /// Hand crew and images over to a hold under another address.
    Successor(Group<successor::Command>),
    /// Print or write the systemd units for a machine without Nix: socket, service, sandbox.
    ///
    /// --directory writes them. --config names the file that the hold is to read.
    #[command(after_help = "Example: atcr-hold systemd-units --directory /etc/systemd/system")]
    SystemdUnits(UnitsArguments),
    /// Show a page of the manual, or the list of its pages.
    #[command(after_help = "Example: atcr-hold manual configuration | less")]
    Manual(ManualArguments),
    /// Write man pages: one for each command, and one for each page of the manual.
    #[command(after_help = "Example: atcr-hold man-pages /usr/local/share/man/man1")]
    ManPages(ManPagesArguments),
    /// Print a completion script for a shell.
    #[command(after_help = "Example: atcr-hold completions bash > /usr/share/bash-completion/completions/atcr-hold")]
    Completions(CompletionsArguments),
}

impl Command {
    /// Returns what the command does with the storage, if it opens the hold in this process.
    fn storage_use(&self) -> StorageUse {
        use storage::Command as Storage;
        use uploads::Command as Uploads;
        match self {
            Self::Serve(_) => StorageUse::Serve,
            Self::Uploads(group) => match group.command {
                Uploads::List => StorageUse::Read,
                Uploads::Abort { .. } => StorageUse::Change,
            },
            Self::Storage(group) => match group.command {
                Storage::Usage | Storage::Accounts | Storage::Verify { repair: false, .. } => StorageUse::Read,
                Storage::Verify { repair: true, .. } | Storage::Migrate { .. } | Storage::Adopt => StorageUse::Change,
            },
            Self::Gc(arguments) if arguments.removes() => StorageUse::Change,
            Self::Gc(_) | Self::Crew(_) | Self::Identity(_) | Self::Images(_) | Self::Repo(_) | Self::Successor(_) => {
                StorageUse::Read
            }
            // These open no hold.
            Self::CheckConfig | Self::Backup(_) => StorageUse::Read,
            Self::SystemdUnits(_) | Self::Manual(_) | Self::ManPages(_) | Self::Completions(_) => StorageUse::Read,
        }
    }
}

/// Runs the command that this process's arguments name; returns the exit code.
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
    let purpose = command.storage_use();
    match command {
        Command::Serve(_) => Ok(()),
        Command::CheckConfig => console::check_config(PROGRAM, &Config::show(sources)?),
        Command::SystemdUnits(arguments) => arguments.run(&units!("atcr-hold"), sources),
        Command::Manual(arguments) => arguments.run(&MANUAL),
        Command::ManPages(arguments) => arguments.run::<Cli>(&MANUAL),
        Command::Completions(arguments) => arguments.run::<Cli>(PROGRAM),
        Command::Crew(Group { command, json }) => {
            at_target(load(), purpose, async |target| command.run(target, json).await)
        }
        Command::Identity(arguments) => with_config(load(), async |config| arguments.run(&config, purpose).await),
        Command::Backup(arguments) => with_config(load(), async |config| backup::run(arguments, &config).await),
        Command::Uploads(Group { command, json }) => {
            at_target(load(), purpose, async |target| command.run(target, json).await)
        }
        Command::Storage(Group { command, json }) => {
            with_config(load(), async |config| command.run(&config, purpose, json).await)
        }
        Command::Successor(Group { command, json }) => {
            at_target(load(), purpose, async |target| command.run(target, json).await)
        }
        Command::Gc(arguments) => at_target(load(), purpose, async |target| arguments.run(target).await),
        Command::Images(Group { command, json }) => {
            at_target(load(), purpose, async |target| command.run(target, json).await)
        }
        Command::Repo(Group { command, json }) => {
            at_target(load(), purpose, async |target| command.run(target, json).await)
        }
    }
}

/// Runs a command on the hold of a configuration, which it uses for `purpose`.
fn at_target<F>(config: Result<Config, SettingsError>, purpose: StorageUse, command: F) -> Result<(), CommandError>
where
    F: AsyncFnOnce(Target) -> Result<(), CommandError>,
{
    with_config(config, async |config| command(target::find(&config, purpose).await?).await)
}

/// Runs a command that needs the configuration only.
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
    let (log_level, address) = (config.log_level.clone(), config.server_addr.clone());
    let warnings = config.warnings().to_vec();
    let settings = ProcessSettings {
        program: PROGRAM,
        log_level: &log_level,
        warnings: &warnings,
        address: &address,
        address_variable: "HOLD_SERVER_ADDR",
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
