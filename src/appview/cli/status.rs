//! `status`.

use clap::Args;
use serde::Serialize;

use super::target::Target;
use crate::operations::{Status, StatusShow};
use server::console::{CommandError, NONE, duration, output, size};

#[derive(Args)]
pub(super) struct Arguments {
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'s> {
    running: bool,
    #[serde(flatten)]
    status: &'s Status,
}

impl Arguments {
    /// Prints the status. Fails after that if no daemon runs or its database does not answer.
    pub(super) async fn run(self, target: Target) -> Result<(), CommandError> {
        let running = target.is_running();
        let status = target.run(StatusShow {}).await?;
        output::findings(self.json, &Shown { running, status: &status }, || shown(&status))?;
        match status.database.problem {
            _ if !running => Err(CommandError::failed("the registry does not run: this is what its database has")),
            Some(problem) => Err(CommandError::failed(problem)),
            None => Ok(()),
        }
    }
}

fn shown(status: &Status) -> String {
    let Status { version, url, default_hold, database, sessions, uploads, queue } = status;
    let hold = default_hold.as_ref().map_or(NONE, |hold| hold.as_str());
    let oldest = queue.oldest_s.map(|seconds| format!(", the oldest for {}", duration(seconds))).unwrap_or_default();
    format!(
        "registry      {url}, version {version}\n\
         default hold  {hold}\n\
         database      {}, log {}, {} free\n\
         sessions      {sessions}\n\
         uploads       {} open, {}\n\
         queue         {} waiting{oldest}\n",
        size(database.size_bytes),
        size(database.log_bytes),
        size(database.free_bytes),
        uploads.open,
        size(uploads.size_bytes),
        queue.waiting
    )
}
