//! Other accounts: their documents, what is remembered of them, and who waits for whom.

mod kept;
mod memory;
mod pools;
mod resolver;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use atproto::syntax::Did;
use server::identity::{Account, Asker, ResolveError, Resolver};

type Answer = Result<Arc<Account>, ResolveError>;

/// Asks so far that the look-up is under way or in the queue.
async fn begin(resolver: &Resolver, did: &Did, asker: impl Into<Asker>) -> tokio::task::JoinHandle<Answer> {
    let (resolver, did, asker) = (resolver.clone(), did.clone(), asker.into());
    let (begun, begins) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        let mut asking = pin!(resolver.resolve(&did, asker));
        assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        begun.send(()).unwrap();
        asking.await
    });
    begins.await.unwrap();
    task
}
