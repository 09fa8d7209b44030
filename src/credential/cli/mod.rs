//! The command line: commands for users, and the commands that docker runs.
//!
//! Errors of the commands that docker runs are printed on standard output, where docker reads them; all others on
//! standard error.

mod configure;
mod helper;
mod login;
mod logout;
mod manual;
mod places;
mod status;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::registry::RegistryName;
use crate::store::Store;
use manual::MANUAL;
use places::Places;
use server::console::{self, CommandError, CompletionsArguments, ManPagesArguments, ManualArguments, output, parse};

/// The name of the program.
const PROGRAM: &str = "docker-credential-atcr";

/// Signs docker, podman, skopeo, crane, oras and other clients in at an ATCR registry, without a password in ~/.docker.
///
/// First `login`: it shows a code, you open a page in any browser, sign in there with your own account, and allow this
/// machine. Then `configure-docker`: docker asks this program whenever it needs the registry's secret.
#[derive(Parser)]
#[command(name = "docker-credential-atcr", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Example:
  docker-credential-atcr login registry.example.org
  docker-credential-atcr configure-docker
  docker push registry.example.org/alice.example.org/app:1

Secrets are in the system's keyring where there is one (libsecret's secret-tool; ATCR_KEYRING=off: none), else in
~/.config/atcr/credentials.json ($XDG_CONFIG_HOME), which only you may read.

Exit codes: 0 done; 1 failed or refused, status found a secret that is good no more, or docker asked for one that is not
there; 64 wrong usage; 130 ended by Ctrl-C.";

#[derive(Subcommand)]
enum Command {
    /// Sign in at a registry: shows a code and a page, and waits until you allow this machine there.
    Login(login::Arguments),
    /// Sign out: revokes the secret at the registry, and deletes it here.
    Logout(logout::Arguments),
    /// List accounts, the places of their secrets, and whether the registries still accept them.
    Status(status::Arguments),
    /// Choose the account that docker uses, where several are signed in at a registry.
    Use {
        /// The registry, as in images' names.
        registry: String,
        /// The account, as `status` shows it.
        account: String,
    },
    /// Make docker ask this program: writes `credHelpers` in ~/.docker/config.json, and keeps the rest of the file.
    ConfigureDocker(configure::Arguments),
    /// For docker: print the secret of the registry named on standard input.
    Get,
    /// For docker: store the secret read from standard input.
    Store,
    /// For docker: delete the secrets of the registry named on standard input.
    Erase,
    /// For docker: print the account at each registry.
    List,
    /// Show the manual.
    Manual(ManualArguments),
    /// Write man pages: one for each command, and the manual.
    #[command(after_help = "Example: docker-credential-atcr man-pages /usr/local/share/man/man1")]
    ManPages(ManPagesArguments),
    /// Print a completion script for a shell.
    Completions(CompletionsArguments),
}

/// Runs the command that this process's arguments name; returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli: Cli = match parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let places = Places::of_process();
    let outcome = match cli.command {
        Command::Get => return helper::get(&places),
        Command::Store => return helper::store(&places),
        Command::Erase => return helper::erase(&places),
        Command::List => return helper::list(&places),
        Command::Login(arguments) => console::run(arguments.run(&places)),
        Command::Logout(arguments) => console::run(arguments.run(&places)),
        Command::Status(arguments) => console::run(arguments.run(&places)),
        Command::Use { registry, account } => choose(&places, &registry, &account),
        Command::ConfigureDocker(arguments) => arguments.run(&places),
        Command::Manual(arguments) => arguments.run(&MANUAL),
        Command::ManPages(arguments) => arguments.run::<Cli>(&MANUAL),
        Command::Completions(arguments) => arguments.run::<Cli>(PROGRAM),
    };
    console::finish(PROGRAM, outcome)
}

fn choose(places: &Places, registry: &str, account: &str) -> Result<(), CommandError> {
    let registry = named(registry)?;
    store(places)?.choose(&registry, account).map_err(|error| CommandError::failed(error.to_string()))?;
    output::text(&format!("docker is {account} at {registry} from now on\n"))
}

fn store(places: &Places) -> Result<Store, CommandError> {
    places.store().map_err(|error| CommandError::failed(error.to_string()))
}

fn named(registry: &str) -> Result<RegistryName, CommandError> {
    RegistryName::parse(registry).map_err(|error| CommandError::Usage(error.to_string()))
}

/// Returns the named registry, else the only one that has an account.
fn only(registry: Option<&str>, store: &Store) -> Result<RegistryName, CommandError> {
    if let Some(registry) = registry {
        return named(registry);
    }
    let mut registries = store.accounts().map_err(|error| CommandError::failed(error.to_string()))?;
    registries.dedup_by(|a, b| a.registry == b.registry);
    match registries.as_slice() {
        [one] => Ok(one.registry.clone()),
        [] => Err(CommandError::failed("nobody is signed in: docker-credential-atcr login REGISTRY")),
        _ => Err(CommandError::Usage("several registries are known: name one".into())),
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
