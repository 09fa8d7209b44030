//! Finding the hold that a command is for, and running operations there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::error::CommandError;
use super::progress::ProgressLine;
use crate::app::{self, StartError};
use crate::config::Config;
use crate::hold::Hold;
use server::control::{
    AdminClient, AdminConnection, AdminError, ByteStream, Export, Import, Operation, Progress, Reporter,
};
use server::sqlite::OpenError;

/// A hold that may be at the other end of a socket, or in this process.
pub(super) enum Target {
    /// The running one, for one operation.
    Running(AdminConnection),
    /// The one on disk, which is ours until this process ends.
    Opened(Arc<Hold>),
}

/// A hold that is about to listen, or another command, has the lock only for a moment.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(50);

impl Target {
    /// The running hold if somebody listens at its admin socket, else the one on disk under its lock.
    pub(super) async fn find(config: &Config) -> Result<Self, CommandError> {
        let client = AdminClient::new(&config.admin_socket);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(connection) = client.connect().await? {
                return Ok(Self::Running(connection));
            }
            match app::open(config).await {
                Ok(hold) => return Ok(Self::Opened(Arc::new(hold))),
                Err(StartError::Database(OpenError::InUse { .. })) if Instant::now() < deadline => {
                    tokio::time::sleep(RETRY).await;
                }
                Err(StartError::Database(OpenError::InUse { .. })) => {
                    return Err(CommandError::NobodyAnswers(config.admin_socket.clone()));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether a daemon has the hold.
    pub(super) fn is_running(&self) -> bool {
        matches!(self, Self::Running(_))
    }

    /// Runs `operation`, showing its progress.
    pub(super) async fn run<O: Operation<Subject = Hold>>(self, operation: O) -> Result<O::Output, CommandError> {
        let mut line = ProgressLine::new();
        let outcome = match self {
            Self::Running(connection) => connection.run(&operation, |progress| line.show(progress)).await,
            Self::Opened(hold) => {
                let (reporter, progress) = Reporter::new();
                watched(operation.run(hold, reporter), progress, &mut line).await
            }
        };
        Ok(outcome?)
    }

    /// Opens what `operation` answers.
    pub(super) async fn export<E: Export<Subject = Hold>>(self, operation: E) -> Result<ByteStream, CommandError> {
        Ok(match self {
            Self::Running(connection) => connection.export(&operation).await?,
            Self::Opened(hold) => operation.open(hold).await?,
        })
    }

    /// Hands `bytes` to `operation`, showing its progress.
    pub(super) async fn import<I: Import<Subject = Hold>>(
        self,
        operation: I,
        bytes: ByteStream,
    ) -> Result<I::Output, CommandError> {
        let mut line = ProgressLine::new();
        let outcome = match self {
            Self::Running(connection) => connection.import(&operation, bytes, |progress| line.show(progress)).await,
            Self::Opened(hold) => {
                let (reporter, progress) = Reporter::new();
                watched(operation.run(bytes, hold, reporter), progress, &mut line).await
            }
        };
        Ok(outcome?)
    }
}

/// Shows the progress of `work` until it is done.
async fn watched<T>(
    work: impl Future<Output = Result<T, AdminError>>,
    mut progress: watch::Receiver<Option<Progress>>,
    line: &mut ProgressLine,
) -> Result<T, AdminError> {
    let showing = async {
        while progress.changed().await.is_ok() {
            if let Some(progress) = progress.borrow_and_update().as_ref() {
                line.show(progress);
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        biased;
        outcome = work => outcome,
        () = showing => Err(AdminError::Interrupted),
    }
}
