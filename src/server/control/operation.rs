//! What an operation is, and how it reports its progress.

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

/// Bytes that come in pieces. A stream that ends with an error was cut off.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Something an operator asks of a daemon. The fields are the arguments, and their JSON is the request.
///
/// The future is dropped when the operator goes away, so that a long operation ends; what must not be left half done
/// has to run in a task or a transaction of its own.
pub trait Operation: Serialize + DeserializeOwned + Send + 'static {
    /// The name on the wire, like `crew.list`.
    const NAME: &'static str;
    /// What the operation works on: what the program has opened.
    type Subject: Send + Sync + 'static;
    /// What it answers; the JSON of it is what `--json` prints.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// Does it. A long operation reports how far it is.
    ///
    /// # Errors
    /// [`AdminError::Failed`] in words for the operator.
    fn run(
        self,
        subject: Arc<Self::Subject>,
        reporter: Reporter,
    ) -> impl Future<Output = Result<Self::Output, AdminError>> + Send + 'static;
}

/// An operation that answers with bytes instead of a result.
pub trait Export: Serialize + DeserializeOwned + Send + 'static {
    /// The name on the wire, like `repo.export`.
    const NAME: &'static str;
    /// As [`Operation::Subject`].
    type Subject: Send + Sync + 'static;

    /// Opens the stream. What fails later ends the stream with an error.
    ///
    /// # Errors
    /// As [`Operation::run`].
    fn open(self, subject: Arc<Self::Subject>)
    -> impl Future<Output = Result<ByteStream, AdminError>> + Send + 'static;
}

/// An operation that is given bytes. The fields are the other arguments.
pub trait Import: Serialize + DeserializeOwned + Send + 'static {
    /// The name on the wire, like `repo.import`.
    const NAME: &'static str;
    /// As [`Operation::Subject`].
    type Subject: Send + Sync + 'static;
    /// As [`Operation::Output`].
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// Reads `bytes` to their end and works on them.
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

/// How far an operation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// How many `unit`s are done.
    pub done: u64,
    /// How many there are, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// What is counted, in the plural: `records`, `blobs`; `bytes` are shown as sizes.
    pub unit: String,
}

/// Takes the reports of an operation. Reporting often is cheap: only the newest report is passed on.
#[derive(Clone)]
pub struct Reporter(watch::Sender<Option<Progress>>);

impl Reporter {
    /// A reporter, and the receiver of its reports.
    #[must_use]
    pub fn new() -> (Self, watch::Receiver<Option<Progress>>) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), receiver)
    }

    /// Reports how far the operation is.
    pub fn report(&self, progress: Progress) {
        // Nobody may be listening.
        self.0.send_replace(Some(progress));
    }
}
