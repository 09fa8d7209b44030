//! Documents that outlive the process: after a restart members are known although their source is away.

use std::time::Duration;

use futures_util::future::BoxFuture;

use atproto::syntax::Did;

/// A memory for members' DID documents that a restart does not empty. It bounds itself in number and age.
pub trait KeptDocuments: Send + Sync {
    /// Keeps `document`, which was read so long ago, in the place of what is kept of `did`. Nobody waits for it.
    fn keep(&self, did: &Did, document: String, age: Duration);

    /// Drops what is kept of `did`: its source says that there is no such document any more. Nobody waits for it.
    fn forget(&self, did: &Did);

    /// Returns the document that is kept of `did`, and how long ago it was read.
    fn recall(&self, did: &Did) -> BoxFuture<'static, Option<(String, Duration)>>;
}
