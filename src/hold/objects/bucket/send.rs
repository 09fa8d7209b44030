//! Streaming of a part through the hold into the store: one body in, one request out, nothing stored.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use http::Response;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::time::Instant;

use super::client::{Call, Client};
use super::fault::Fault;
use server::egress::{BrokenBody, ClientBody, boxed_body};
use server::nonpoison::Mutex;
use server::storage::StorageError;

/// Longest time without a chunk of the body or the response. Longer than the time that a slow client gets.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// Errors of sending a part.
#[derive(Debug, thiserror::Error)]
pub enum PartError<E> {
    /// The body broke off with an error of its own.
    #[error("the body of a part broke off")]
    Body(E),
    /// The body is shorter than announced.
    #[error("the body of a part is shorter than announced")]
    TooShort,
    /// There is no such upload in the store.
    #[error("the store has no such upload")]
    UnknownUpload,
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The progress of a body that is being sent.
struct Progress<E> {
    last: Instant,
    broken: Option<PartError<E>>,
}

type Watched<E> = Arc<Mutex<Progress<E>>>;

impl Client {
    /// Sends a part of `size_bytes`, once, because its body can be read only once. Returns the successful response.
    ///
    /// # Errors
    /// [`PartError`]. The store then has no such part, or still the earlier one.
    pub(super) async fn send_part<B, E>(
        &self,
        call: &Call,
        size_bytes: u64,
        body: B,
    ) -> Result<Response<ClientBody>, PartError<E>>
    where
        B: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Send + 'static,
    {
        let progress: Watched<E> = Arc::new(Mutex::new(Progress { last: Instant::now(), broken: None }));
        let frames = StreamBody::new(frames(body, size_bytes, Arc::clone(&progress)));
        let sent = tokio::select! {
            sent = self.stream(call, size_bytes, boxed_body(frames)) => sent,
            () = silence(&progress) => Err(Fault::NoAnswer("the part came to a standstill".into())),
        };
        if let Some(broken) = progress.lock().broken.take() {
            return Err(broken);
        }
        match sent {
            Ok(answer) => Ok(answer),
            Err(fault) if fault.is_missing() => Err(PartError::UnknownUpload),
            Err(fault) => Err(PartError::Storage(fault.into())),
        }
    }
}

/// Returns the body's chunks as frames. An error of the body is kept for the caller; the connection gets a plain error,
/// so that the store never sees the end of an incomplete part.
fn frames<B, E>(
    body: B,
    size_bytes: u64,
    progress: Watched<E>,
) -> impl Stream<Item = Result<Frame<Bytes>, BrokenBody>> + Send + use<B, E>
where
    B: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Send + 'static,
{
    stream::unfold(Some((Box::pin(body), size_bytes)), move |state| {
        let progress = Arc::clone(&progress);
        async move {
            let (mut body, rest_bytes) = state?;
            let item = body.next().await;
            let mut progress = progress.lock();
            progress.last = Instant::now();
            match item {
                Some(Ok(bytes)) => {
                    let rest_bytes = rest_bytes.saturating_sub(bytes.len() as u64);
                    return Some((Ok(Frame::data(bytes)), Some((body, rest_bytes))));
                }
                None if rest_bytes == 0 => return None,
                None => progress.broken = Some(PartError::TooShort),
                Some(Err(error)) => progress.broken = Some(PartError::Body(error)),
            }
            Some((Err(BrokenBody("the body broke off".into())), None))
        }
    })
}

/// Returns when no chunk was read for [`SILENCE_LIMIT`].
async fn silence<E>(progress: &Watched<E>) {
    loop {
        let limit = progress.lock().last + SILENCE_LIMIT;
        if limit <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(limit).await;
    }
}
