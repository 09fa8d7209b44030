//! What an operation is, and how it tells of its progress.

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
use crate::hold::Hold;

/// Bytes that come in pieces. A stream that fails was cut off.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Something an operator asks of a hold. Its fields are its arguments, and its JSON is the request.
///
/// The future is dropped when the operator goes away, so that a long operation ends; what must not be left half done
/// has to run in a task or a transaction of its own.
pub trait Operation: Serialize + DeserializeOwned + Send + 'static {
    /// Its name on the wire, like `crew.list`.
    const NAME: &'static str;
    /// What comes of it; its JSON is what `--json` prints.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// Does it. A long one reports how far it is.
    ///
    /// # Errors
    /// [`AdminError::Failed`] in words for the operator.
    fn run(
        self,
        hold: Arc<Hold>,
        reporter: Reporter,
    ) -> impl Future<Output = Result<Self::Output, AdminError>> + Send + 'static;
}

/// Something that answers with bytes instead of a result.
pub trait Export: Serialize + DeserializeOwned + Send + 'static {
    /// Its name on the wire, like `repo.export`.
    const NAME: &'static str;

    /// Opens the stream. What fails later fails in the stream.
    ///
    /// # Errors
    /// As [`Operation::run`].
    fn open(self, hold: Arc<Hold>) -> impl Future<Output = Result<ByteStream, AdminError>> + Send + 'static;
}

/// Something that is given bytes. Its fields are its arguments.
pub trait Import: Serialize + DeserializeOwned + Send + 'static {
    /// Its name on the wire, like `repo.import`.
    const NAME: &'static str;
    /// What comes of it.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// Reads `bytes` to their end and does it.
    ///
    /// # Errors
    /// As [`Operation::run`].
    fn run(
        self,
        bytes: ByteStream,
        hold: Arc<Hold>,
        reporter: Reporter,
    ) -> impl Future<Output = Result<Self::Output, AdminError>> + Send + 'static;
}

/// How far an operation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is done, in `unit`s.
    pub done: u64,
    /// How much there is, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// What is counted, in the plural: `records`, `blobs`; `bytes` are shown as sizes.
    pub unit: String,
}

/// Where an operation says how far it is. Saying it often costs nothing: only the newest word is passed on.
#[derive(Clone)]
pub struct Reporter(watch::Sender<Option<Progress>>);

impl Reporter {
    /// A reporter, and where its words arrive.
    #[must_use]
    pub fn new() -> (Self, watch::Receiver<Option<Progress>>) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), receiver)
    }

    /// So much is done.
    pub fn report(&self, progress: Progress) {
        // Nobody may be listening.
        self.0.send_replace(Some(progress));
    }
}
