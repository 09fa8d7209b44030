//! Where a command runs: in the daemon, through its admin socket, or in this process when no daemon listens.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{CommandError, ProgressLine};
use crate::control::{
    AdminClient, AdminConnection, AdminError, ByteStream, Export, Import, Operation, Progress, Reporter,
};

/// The place where the operation of a command runs. `S` is the subject of the program's operations.
pub enum Target<S> {
    /// In the daemon. The connection is for one operation.
    Running(AdminConnection),
    /// In this process, which has opened the subject and its lock.
    Opened(Arc<S>),
}

/// Time-out of the lock. A daemon that is starting, and another command, hold it only for a moment.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(50);

impl<S: Send + Sync + 'static> Target<S> {
    /// Connects to the daemon if one listens at `admin_socket`, which the environment variable `variable` sets; else opens
    /// the subject in this process by `open`. While the error of `open` `is_in_use`, both are tried again, for 5 seconds.
    ///
    /// # Errors
    /// The error of the socket or of `open`; [`CommandError::NobodyAnswers`] after those 5 seconds.
    pub async fn find<E: Into<CommandError>>(
        admin_socket: &Path,
        variable: &'static str,
        open: impl AsyncFn() -> Result<S, E>,
        is_in_use: impl Fn(&E) -> bool,
    ) -> Result<Self, CommandError> {
        let client = AdminClient::new(admin_socket);
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            if let Some(connection) = client.connect().await? {
                return Ok(Self::Running(connection));
            }
            match open().await {
                Ok(subject) => return Ok(Self::Opened(Arc::new(subject))),
                Err(error) if !is_in_use(&error) => return Err(error.into()),
                Err(_) if Instant::now() < deadline => tokio::time::sleep(RETRY).await,
                Err(_) => return Err(CommandError::NobodyAnswers { path: admin_socket.to_owned(), variable }),
            }
        }
    }

    /// Whether the operation runs in the daemon.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running(_))
    }

    /// Runs `operation`, showing its progress.
    ///
    /// # Errors
    /// [`CommandError::Operation`]
    pub async fn run<O: Operation<Subject = S>>(self, operation: O) -> Result<O::Output, CommandError> {
        let mut line = ProgressLine::new();
        let outcome = match self {
            Self::Running(connection) => connection.run(&operation, |progress| line.show(progress)).await,
            Self::Opened(subject) => {
                let (reporter, progress) = Reporter::new();
                watched(operation.run(subject, reporter), progress, &mut line).await
            }
        };
        Ok(outcome?)
    }

    /// Runs `operation`, and returns the bytes of its result.
    ///
    /// # Errors
    /// [`CommandError::Operation`]
    pub async fn export<E: Export<Subject = S>>(self, operation: E) -> Result<ByteStream, CommandError> {
        Ok(match self {
            Self::Running(connection) => connection.export(&operation).await?,
            Self::Opened(subject) => operation.open(subject).await?,
        })
    }

    /// Runs `operation` on `bytes`, showing its progress.
    ///
    /// # Errors
    /// [`CommandError::Operation`]
    pub async fn import<I: Import<Subject = S>>(
        self,
        operation: I,
        bytes: ByteStream,
    ) -> Result<I::Output, CommandError> {
        let mut line = ProgressLine::new();
        let outcome = match self {
            Self::Running(connection) => connection.import(&operation, bytes, |progress| line.show(progress)).await,
            Self::Opened(subject) => {
                let (reporter, progress) = Reporter::new();
                watched(operation.run(bytes, subject, reporter), progress, &mut line).await
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
