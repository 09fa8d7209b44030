//! `serve`: the daemon.

use std::process::ExitCode;
use std::time::Duration;

use super::EX_CONFIG;
use crate::app;
use crate::config::Config;
use server::daemon;
use server::settings::SettingsError;

/// Threads for files and the database. More would only wait for the same disk, at about 50 KiB each.
const BLOCKING_THREADS: usize = 16;
/// How long jobs on those threads may take after the hold has stopped.
const LAST_JOBS: Duration = Duration::from_secs(5);

/// Serves until a signal, following what `read_again` answers at each SIGHUP; answers the exit code.
pub(super) fn serve(
    config: Config,
    read_again: impl Fn() -> Result<Config, SettingsError> + Send + Sync + 'static,
) -> ExitCode {
    if let Err(error) = daemon::logging::init(&config.log_level) {
        eprintln!("atcr-hold: log_level: {error}");
        return ExitCode::from(EX_CONFIG);
    }
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    // Before the runtime starts: taking over inherited sockets changes the environment.
    let listeners = daemon::listeners::inherited().and_then(|mut inherited| {
        if inherited.public.is_empty() {
            inherited.public.push(daemon::listeners::bind(&config.server_addr)?);
        }
        Ok(inherited)
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
