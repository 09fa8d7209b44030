//! Reports the state of the daemon to the service manager. Does nothing without one (`NOTIFY_SOCKET` unset).

use std::future::Future;
use std::time::Duration;

use sd_notify::NotifyState;

/// Reports that the start, or a reload, is finished: requests are answered from now on.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Whether there is a service manager to notify.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the service manager's own variable, as its library reads it")]
pub fn is_listening() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Reports that the start waits for something, and extends the service manager's time-out to `longer` from now.
pub fn waiting(status: &str, longer: Duration) {
    send(&[NotifyState::Status(status), NotifyState::ExtendTimeoutUsec(micros(longer))]);
}

/// Extends the service manager's time-out of the start to `longer` from now.
pub fn longer(longer: Duration) {
    send(&[NotifyState::ExtendTimeoutUsec(micros(longer))]);
}

/// Reports that a reload begins; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "cannot tell the service manager when the reload began"),
    }
}

/// Reports that the daemon is shutting down.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Sets the line that `systemctl status` shows.
pub fn status(text: &str) {
    send(&[NotifyState::Status(text)]);
}

/// Returns the watchdog time-out, after which the service manager restarts the daemon; `None` without a watchdog.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// Sends watchdog pings, three in each time-out `waits`, each after `is_alive` returned true. While a check hangs or
/// fails, none is sent.
pub async fn keep_alive<F: Future<Output = bool>>(waits: Duration, is_alive: impl Fn() -> F) {
    // An interval panics at zero.
    let mut ticks = tokio::time::interval((waits / 3).max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        if is_alive().await {
            send(&[NotifyState::Watchdog]);
        }
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}
