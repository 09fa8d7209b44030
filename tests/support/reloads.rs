//! A reload that panics: a task beside the requests that ends by a fault of the program.

use std::process::Command;
use std::time::Duration;

use server::daemon::signals;
use server::reload::Reloads;
use tokio::time::timeout;

/// Reloads of which the first, which is due at once, panics.
pub(crate) fn that_panic<C: Send>() -> Reloads<C> {
    // The handler stays for this process, so that no SIGHUP ends it.
    let hangups = signals::hangups().unwrap();
    assert!(Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status().unwrap().success());
    Reloads::new(hangups, || panic!("not this time"))
}

/// The error that ends a program with these reloads.
pub(crate) async fn ended<E>(run: impl Future<Output = Result<(), E>>) -> E {
    let outcome = timeout(Duration::from_secs(600), run).await.expect("it goes on without reloads");
    outcome.expect_err("a failure")
}
