//! Persistent DID documents: after a restart members are known although their source is down.

use std::time::Duration;

use futures_util::future::BoxFuture;

use atproto::syntax::Did;

/// A persistent store of members' DID documents. It limits their number and age itself.
pub trait KeptDocuments: Send + Sync {
    /// Stores `document`, which was read `age` ago, in place of the last one of `did`. Does not wait for the write.
    fn keep(&self, did: &Did, document: String, age: Duration);

    /// Deletes the document of `did`: its source says that it no longer exists. Does not wait for the write.
    fn forget(&self, did: &Did);

    /// Returns the stored document of `did`, and its age.
    fn recall(&self, did: &Did) -> BoxFuture<'static, Option<(String, Duration)>>;
}
