//! Signals: SIGTERM and SIGINT stop the daemon, SIGHUP reloads its configuration, SIGXFSZ is ignored.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::notify;

/// "File size limit exceeded", sent with EFBIG; the same number on every architecture of Linux but MIPS.
const SIGXFSZ: i32 = 25;

/// Returns a token that the first SIGTERM or SIGINT cancels; the service manager is told of it. The second signal ends
/// the process at once, as it would without a handler: exit code 128 + its number.
///
/// # Errors
/// When the handlers cannot be installed. Must be called in a runtime.
pub fn shutdown() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        let first = either(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = first, "shutting down");
        notify::stopping();
        shutdown.cancel();
        let second = either(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal = second, "ending at once");
        std::process::exit(128 + second);
    });
    Ok(token)
}

/// Returns the stream of SIGHUPs, each of which asks to reload the configuration. Without this a SIGHUP would end the
/// process.
///
/// # Errors
/// When the handler cannot be installed. Must be called in a runtime.
pub fn hangups() -> io::Result<Hangups> {
    signal(SignalKind::hangup()).map(Hangups)
}

/// A stream of SIGHUPs. Several that come between two calls of [`Hangups::next`] count as one.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Waits for the next SIGHUP; `None` when there can be none any more.
    pub async fn next(&mut self) -> Option<()> {
        self.0.recv().await
    }
}

/// Makes a write beyond the process's file size limit fail with an error, instead of ending the process.
///
/// # Errors
/// When the handler cannot be installed. Must be called in a runtime.
pub fn survive_file_size_limit() -> io::Result<()> {
    // The handler stays in place when the stream of its signals is dropped.
    signal(SignalKind::from_raw(SIGXFSZ)).map(drop)
}

/// Waits for either signal; returns its number.
async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> i32 {
    tokio::select! {
        _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
        _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
    }
}
