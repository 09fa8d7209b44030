//! The process of a daemon: log, sockets, runtime, signals, exit code.

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::listeners::{self, Inherited};
use super::signals::{self, Hangups};
use super::{EX_CONFIG, logging};

/// Threads for files; the database has its own. More would only wait for the same disk, at about 50 KiB each.
pub const BLOCKING_THREADS: usize = 16;
/// Time-out of jobs on those threads after the daemon has stopped.
const LAST_JOBS: Duration = Duration::from_secs(5);

/// The settings of a daemon's process.
pub struct ProcessSettings<'a> {
    /// The name of the program, for the log.
    pub program: &'static str,
    /// As [`logging::init`] takes it.
    pub log_level: &'a str,
    /// Warnings to log at the start, one line each.
    pub warnings: &'a [String],
    /// The address to listen on when no socket was inherited, as [`listeners::bind`] takes it.
    pub address: &'a str,
    /// The environment variable that sets the address, for error messages.
    pub address_variable: &'static str,
    /// Whether a socket must have been inherited: the address is not bound then.
    pub socket_activated: bool,
}

/// The sockets and signals of a daemon.
pub struct ProcessParts {
    /// The sockets that were inherited, or the one that was bound.
    pub listeners: Inherited,
    /// Cancelled by the first SIGTERM or SIGINT.
    pub shutdown: CancellationToken,
    /// SIGHUPs, which ask to reload the configuration.
    pub hangups: Hangups,
}

/// Sets up the log, the sockets, the runtime and the signals, and runs `serve` until it ends. Logs its error, and
/// returns the exit code of the process: that of the error by `exit_code`.
///
/// To be called once, before any thread starts.
pub fn run_daemon<E: Display>(
    settings: &ProcessSettings<'_>,
    serve: impl AsyncFnOnce(ProcessParts) -> Result<(), E>,
    exit_code: impl FnOnce(&E) -> u8,
) -> ExitCode {
    if let Err(error) = logging::init(settings.program, settings.log_level) {
        log_level_error(settings.program, &error);
        return ExitCode::from(EX_CONFIG);
    }
    for warning in settings.warnings {
        tracing::warn!("{warning}");
    }
    // Before the runtime starts: taking over inherited sockets changes the environment.
    let listeners = match listeners(settings) {
        Ok(listeners) => listeners,
        Err(code) => return code,
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
    let code = runtime.block_on(async {
        let signals = signals::survive_file_size_limit().and_then(|()| Ok((signals::shutdown()?, signals::hangups()?)));
        let (shutdown, hangups) = match signals {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!("cannot handle signals: {error}");
                return 1;
            }
        };
        match serve(ProcessParts { listeners, shutdown, hangups }).await {
            Ok(()) => 0,
            Err(error) => {
                tracing::error!("{error}");
                exit_code(&error)
            }
        }
    });
    // A DNS look-up in the system's resolver cannot be stopped, and may take long.
    runtime.shutdown_timeout(LAST_JOBS);
    ExitCode::from(code)
}

/// Returns the inherited sockets, or the one bound at the address; else the exit code, after the reason was logged.
fn listeners(settings: &ProcessSettings<'_>) -> Result<Inherited, ExitCode> {
    let ProcessSettings { program, address, address_variable, socket_activated, .. } = settings;
    let cannot = |error| {
        let remedy = listeners::remedy(&error);
        tracing::error!("cannot listen on {address}: {error}; set {address_variable} to {remedy}");
        ExitCode::FAILURE
    };
    let mut inherited = listeners::inherited().map_err(|error| {
        tracing::error!(
            "the sockets that were passed on cannot be used: {error}; they need ListenStream= and Accept=no"
        );
        ExitCode::from(EX_CONFIG)
    })?;
    if !inherited.public.is_empty() {
        return Ok(inherited);
    }
    // A daemon behind a proxy would be open to everybody at the address that it falls back to.
    if *socket_activated {
        tracing::error!(
            "no socket was passed on, and --socket-activated forbids another: start {program}.socket, and this by it"
        );
        return Err(ExitCode::from(EX_CONFIG));
    }
    inherited.public.push(listeners::bind(address).map_err(cannot)?);
    Ok(inherited)
}

#[expect(clippy::print_stderr, reason = "there is no log yet")]
fn log_level_error(program: &str, error: &logging::LoggingError) {
    eprintln!("{program}: log_level: {error}");
}
