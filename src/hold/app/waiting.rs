//! A start that waits for what may come by itself: a store that is away, a name that the DNS does not know yet, a clock
//! that is not set, a database that a command has.

use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{StartError, bucket};
use crate::blobs::BlobPlace;
use crate::config::Config;
use crate::schema;
use server::daemon::notify;
use server::sqlite::Database;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// More than any attempt takes: the probe of a bucket gives up after 30 s.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(60);

/// Tries the bucket until it can be used. Answers `None` when `shutdown` came before.
///
/// # Errors
/// The failure that does not pass by itself.
pub(super) async fn for_bucket(
    config: &Config,
    place: &BlobPlace,
    shutdown: &CancellationToken,
) -> Result<Option<()>, StartError> {
    let mut retries = Retries { shutdown, pause: FIRST_PAUSE };
    loop {
        match bucket::try_out(config, place, shutdown).await {
            Ok(done) => return Ok(done),
            Err(error) => {
                if !retries.wait_after(error).await? {
                    return Ok(None);
                }
            }
        }
    }
}

/// Opens the database once nobody else has it. Answers `None` when `shutdown` came before.
///
/// # Errors
/// The failure that does not pass by itself.
pub(super) async fn for_database(path: &Path, shutdown: &CancellationToken) -> Result<Option<Database>, StartError> {
    let mut retries = Retries { shutdown, pause: FIRST_PAUSE };
    loop {
        match schema::open(path) {
            Ok(database) => return Ok(Some(database)),
            Err(error) => {
                if !retries.wait_after(error.into()).await? {
                    return Ok(None);
                }
            }
        }
    }
}

struct Retries<'a> {
    shutdown: &'a CancellationToken,
    pause: Duration,
}

impl Retries<'_> {
    /// Tells the service manager what the start waits for, and waits. Answers whether to try again: not after a shutdown.
    ///
    /// # Errors
    /// `error` itself when it does not pass, or when there is no service manager: then whoever started the program sees
    /// it, and may start it again.
    async fn wait_after(&mut self, error: StartError) -> Result<bool, StartError> {
        if !error.may_pass() || !notify::is_listening() {
            return Err(error);
        }
        tracing::warn!("not started yet, trying again in {} s: {error}", self.pause.as_secs());
        notify::waiting(&format!("waiting to start: {error}"), self.pause + ATTEMPT_LIMIT);
        let waited = self.shutdown.run_until_cancelled(tokio::time::sleep(self.pause)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(waited.is_some())
    }
}
