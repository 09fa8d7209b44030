//! The `atcr-hold` command: reads the configuration, then serves, or says what is wrong.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use atcr_hold::app;
use atcr_hold::config::{Config, ConfigError, Environment};
use atcr_hold::daemon;
use clap::{Parser, Subcommand};

/// A hold for the ATCR container registry: stores image layers, and is an atproto account itself.
///
/// Options come from the defaults, then the TOML file, then `.env` in the working directory, then the environment.
/// The least a hold needs: HOLD_PUBLIC_URL (its address), HOLD_OWNER (your DID) and STORAGE_ROOT_DIR (where the
/// blobs go). `atcr-hold check-config` shows what all of them come to.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 ended by a signal, 1 failed, 64 wrong usage, 78 wrong configuration.")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// A TOML file with options.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (the default).
    Serve,
    /// Check the configuration and print it, secrets masked; starts nothing.
    CheckConfig,
}

/// In the working directory.
const DOTENV: &str = ".env";
const EX_USAGE: u8 = 64;
const EX_CONFIG: u8 = 78;
/// Threads for files and the database. More would only wait for the same disk, at about 50 KiB each.
const BLOCKING_THREADS: usize = 16;
/// How long jobs on those threads may take after the hold has stopped.
const LAST_JOBS: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
            let _ = error.print();
            return code;
        }
    };
    let environment = Environment::of_process();
    let (file, dotenv) = (cli.config.as_deref(), Path::new(DOTENV));
    let outcome = match cli.command.unwrap_or(Command::Serve) {
        Command::CheckConfig => Config::show(file, dotenv, &environment).map(|text| {
            print!("{text}");
            ExitCode::SUCCESS
        }),
        Command::Serve => {
            let file = cli.config.clone();
            let read = move || Config::load(file.as_deref(), Path::new(DOTENV), &environment);
            read().map(|config| serve(config, read))
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("atcr-hold: {error}");
        ExitCode::from(EX_CONFIG)
    })
}

fn serve(config: Config, read_again: impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static) -> ExitCode {
    if let Err(error) = daemon::logging::init(&config.log_level) {
        eprintln!("atcr-hold: log_level: {error}");
        return ExitCode::from(EX_CONFIG);
    }
    // Before the runtime starts: taking over inherited sockets changes the environment.
    let listeners = daemon::listeners::inherited().and_then(|inherited| {
        if inherited.is_empty() { Ok(vec![daemon::listeners::bind(&config.server_addr)?]) } else { Ok(inherited) }
    });
    let listeners = match listeners {
        Ok(listeners) => listeners,
        Err(error) => {
            tracing::error!("cannot listen on {}: {error}; set HOLD_SERVER_ADDR to a free address", config.server_addr);
            return ExitCode::FAILURE;
        }
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().max_blocking_threads(BLOCKING_THREADS).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        daemon::signals::survive_file_size_limit().map_err(app::StartError::Listen)?;
        let shutdown = daemon::signals::shutdown().map_err(app::StartError::Listen)?;
        let hangups = daemon::signals::hangups().map_err(app::StartError::Listen)?;
        app::run_reloading(config, Some(app::Reloads::new(hangups, read_again)), listeners, shutdown).await
    });
    // A look-up of a name cannot be stopped, and may take the system long.
    runtime.shutdown_timeout(LAST_JOBS);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}
