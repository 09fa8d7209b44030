//! Operations, and how they report their progress.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::AdminError;

/// A stream of bytes. One that ends with an error was cut off.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// An operation that an operator runs in a daemon. The fields are the arguments, and their JSON is the request.
///
/// The future is dropped when the client disconnects, so that a long operation ends; work that must not be left half
/// done has to run in a task or a transaction of its own.
pub trait Operation: Serialize + DeserializeOwned + Send + 'static {
    /// The name on the wire, like `crew.list`.
    const NAME: &'static str;
    /// The type that the operation works on: what the program has opened.
    type Subject: Send + Sync + 'static;
    /// The result; its JSON is what `--json` prints.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// Runs the operation. A long one reports its progress.
    ///
    /// # Errors
    /// [`AdminError::Failed`] with a message for the operator.
    fn run(
        self,
        subject: Arc<Self::Subject>,
        reporter: Reporter,
    ) -> impl Future<Output = Result<Self::Output, AdminError>> + Send + 'static;
}

/// An operation that returns bytes instead of a result.
pub trait Export: Serialize + DeserializeOwned + Send + 'static {
    /// The name on the wire, like `repo.export`.
    const NAME: &'static str;
    /// As [`Operation::Subject`].
    type Subject: Send + Sync + 'static;

    /// Opens the stream. A later failure ends the stream with an error.
    ///
    /// # Errors
    /// As [`Operation::run`].
    fn open(self, subject: Arc<Self::Subject>)
    -> impl Future<Output = Result<ByteStream, AdminError>> + Send + 'static;
}

/// An operation that is sent bytes. The fields are the other arguments.
pub trait Import: Serialize + DeserializeOwned + Send + 'static {
    /// The name on the wire, like `repo.import`.
    const NAME: &'static str;
    /// As [`Operation::Subject`].
    type Subject: Send + Sync + 'static;
    /// As [`Operation::Output`].
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// Runs the operation on `bytes`, reading them to their end.
    ///
    /// # Errors
    /// As [`Operation::run`].
    fn run(
        self,
        bytes: ByteStream,
        subject: Arc<Self::Subject>,
        reporter: Reporter,
    ) -> impl Future<Output = Result<Self::Output, AdminError>> + Send + 'static;
}

/// The progress of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Number of `unit`s done.
    pub done: u64,
    /// Total number, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// The unit, in the plural: `records`, `blobs`; `bytes` are shown as sizes.
    pub unit: String,
}

/// Takes the reports of an operation. Reporting often is cheap: only the newest report is passed on.
#[derive(Clone)]
pub struct Reporter(watch::Sender<Option<Progress>>);

impl Reporter {
    /// Creates a reporter, and the receiver of its reports.
    #[must_use]
    pub fn new() -> (Self, watch::Receiver<Option<Progress>>) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), receiver)
    }

    /// Reports the progress.
    pub fn report(&self, progress: Progress) {
        // There may be no receiver.
        self.0.send_replace(Some(progress));
    }
}
