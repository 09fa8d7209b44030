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
use crate::sqlite::is_locked;

/// The place where the operation of a command runs. `S` is the subject of the program's operations.
pub enum Target<S> {
    /// In the daemon. The connection is for one operation.
    Running(AdminConnection),
    /// In this process, which has opened the subject and its lock.
    Opened(Arc<S>),
}

/// The paths by which a command finds the daemon of its configuration.
#[derive(Clone, Copy, Debug)]
pub struct DaemonPaths<'c> {
    /// The admin socket.
    pub admin_socket: &'c Path,
    /// The environment variable that sets it.
    pub variable: &'static str,
    /// The database file.
    pub database: &'c Path,
}

impl DaemonPaths<'_> {
    /// Connects to the daemon; `None` when none listens at the socket.
    ///
    /// # Errors
    /// The error of the socket; [`CommandError::OtherDatabase`] when nobody has the lock of the database, which its daemon
    /// has for as long as it listens.
    pub async fn connect(&self) -> Result<Option<AdminConnection>, CommandError> {
        let client = AdminClient::new(self.admin_socket);
        let Some(connection) = client.connect().await? else { return Ok(None) };
        if is_locked(self.database) != Some(false) {
            return Ok(Some(connection));
        }
        // A daemon that stops gives up the socket, and then the lock.
        if client.connect().await?.is_none() {
            return Ok(None);
        }
        let (path, database) = (self.admin_socket.to_owned(), self.database.to_owned());
        Err(CommandError::OtherDatabase { path, database, variable: self.variable })
    }
}

/// Time-out of the lock. A daemon that is starting, and another command, hold it only for a moment.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(50);

impl<S: Send + Sync + 'static> Target<S> {
    /// Connects to the daemon if one listens; else opens the subject in this process by `open`. While the error of `open`
    /// `is_in_use`, both are tried again, for 5 seconds.
    ///
    /// # Errors
    /// The error of [`DaemonPaths::connect`] or of `open`; [`CommandError::NobodyAnswers`] after those 5 seconds.
    pub async fn find<E: Into<CommandError>>(
        paths: DaemonPaths<'_>,
        open: impl AsyncFn() -> Result<S, E>,
        is_in_use: impl Fn(&E) -> bool,
    ) -> Result<Self, CommandError> {
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            if let Some(connection) = paths.connect().await? {
                return Ok(Self::Running(connection));
            }
            match open().await {
                Ok(subject) => return Ok(Self::Opened(Arc::new(subject))),
                Err(error) if !is_in_use(&error) => return Err(error.into()),
                Err(_) if Instant::now() < deadline => tokio::time::sleep(RETRY).await,
                Err(_) => {
                    let DaemonPaths { admin_socket, variable, .. } = paths;
                    return Err(CommandError::NobodyAnswers { path: admin_socket.to_owned(), variable });
                }
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
