//! The client side of the admin socket.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;

use crate::egress::{ClientBody, UnixConnection, boxed_body, full_body};
use bytes::BytesMut;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use http::header::{HOST, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::lines::{ARGUMENTS, Line, MAX_LINE_BYTES, MAX_SILENCE};
use super::{AdminError, ByteStream, Export, Import, Operation, Progress};

/// A client of the socket file at which a daemon listens for its operator.
#[derive(Clone, Debug)]
pub struct AdminClient {
    path: PathBuf,
}

/// A connection to the daemon, for one operation.
pub struct AdminConnection {
    path: PathBuf,
    http: UnixConnection,
}

impl AdminClient {
    /// Creates a client of the socket file at `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Connects. Returns `None` when nobody listens there.
    ///
    /// # Errors
    /// [`AdminError::Forbidden`] or [`AdminError::NoAnswer`].
    pub async fn connect(&self) -> Result<Option<AdminConnection>, AdminError> {
        let failed = |reason: String| AdminError::NoAnswer { path: self.path.clone(), reason };
        match UnixConnection::open(&self.path).await {
            Ok(http) => Ok(Some(AdminConnection { path: self.path.clone(), http })),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                io::ErrorKind::PermissionDenied => Err(AdminError::Forbidden(self.path.clone())),
                _ => Err(failed(error.to_string())),
            },
        }
    }
}

impl AdminConnection {
    /// Runs `operation` in the daemon.
    ///
    /// # Errors
    /// The error of the operation; [`AdminError::NoAnswer`]; [`AdminError::Interrupted`].
    pub async fn run<O: Operation>(
        self,
        operation: &O,
        mut on_progress: impl FnMut(&Progress),
    ) -> Result<O::Output, AdminError> {
        let answer = self.send(O::NAME, None, json(operation)).await?;
        output(&last_line(answer, &mut on_progress).await?)
    }

    /// Runs `operation` in the daemon, and returns the bytes of its result.
    ///
    /// # Errors
    /// As [`AdminConnection::run`]; an item of the stream when the response is cut off.
    pub async fn export<E: Export>(self, operation: &E) -> Result<ByteStream, AdminError> {
        let answer = self.send(E::NAME, None, json(operation)).await?;
        if answer.status() != StatusCode::OK {
            output::<()>(&last_line(answer, &mut |_| {}).await?)?;
            return Err(AdminError::Interrupted);
        }
        Ok(pieces(answer.into_body()))
    }

    /// Runs `operation` on `bytes` in the daemon.
    ///
    /// # Errors
    /// As [`AdminConnection::run`].
    pub async fn import<I: Import>(
        self,
        operation: &I,
        bytes: ByteStream,
        mut on_progress: impl FnMut(&Progress),
    ) -> Result<I::Output, AdminError> {
        let body = boxed_body(StreamBody::new(bytes.map_ok(Frame::data)));
        // Arguments are text keys and ASCII values, so this cannot fail.
        let arguments = serde_json::to_vec(operation).unwrap_or_default();
        let arguments = HeaderValue::from_bytes(&arguments).map_err(|error| AdminError::failed(error.to_string()))?;
        let answer = self.send(I::NAME, Some(arguments), body).await?;
        output(&last_line(answer, &mut on_progress).await?)
    }

    async fn send(
        mut self,
        name: &str,
        arguments: Option<HeaderValue>,
        body: ClientBody,
    ) -> Result<http::Response<ClientBody>, AdminError> {
        let failed = |reason: String| AdminError::NoAnswer { path: self.path.clone(), reason };
        let request = http::Request::builder().method(Method::POST).uri(format!("/{name}")).header(HOST, "localhost");
        let mut request = request.body(body).map_err(|error| failed(error.to_string()))?;
        request.headers_mut().extend(arguments.map(|json| (HeaderName::from_static(ARGUMENTS), json)));
        // The daemon sends the head of the response before it starts the work.
        match unless_silent(self.http.send(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!("silent for {} seconds", MAX_SILENCE.as_secs()))),
        }
    }
}

fn json(operation: &impl Serialize) -> ClientBody {
    // Only maps with keys that are not text fail to serialize, and operations have none.
    let bytes = serde_json::to_vec(operation).unwrap_or_default();
    full_body(bytes)
}

/// Waits for the daemon, [`MAX_SILENCE`] at most, in two halves: where the machine stood still, however long, one of them may
/// end without that the daemon could answer.
async fn unless_silent<T>(answer: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut answer = pin!(answer);
    match timeout(MAX_SILENCE / 2, answer.as_mut()).await {
        Ok(answer) => Ok(answer),
        Err(_) => timeout(MAX_SILENCE / 2, answer).await,
    }
}

/// Returns the bytes of a response, with a time-out for each piece.
fn pieces(body: ClientBody) -> ByteStream {
    Box::pin(stream::unfold(body, |mut body| async move {
        let piece = match unless_silent(body.frame()).await {
            Ok(None) => return None,
            Ok(Some(Ok(frame))) => Ok(frame.into_data().unwrap_or_default()),
            Ok(Some(Err(error))) => Err(io::Error::other(error)),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        Some((piece, body))
    }))
}

/// Reads the lines of a response up to the last one, and returns it.
async fn last_line(
    answer: http::Response<ClientBody>,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<BytesMut, AdminError> {
    let mut pieces = pieces(answer.into_body());
    let mut held = BytesMut::new();
    // Start of the bytes that were not searched for a line feed yet.
    let mut scanned = 0;
    loop {
        let Some(end) = held[scanned..].iter().position(|byte| *byte == b'\n') else {
            scanned = held.len();
            if held.len() > MAX_LINE_BYTES {
                return Err(AdminError::failed("the daemon answered more than this command can read"));
            }
            match pieces.next().await {
                Some(Ok(piece)) => held.extend_from_slice(&piece),
                Some(Err(_)) | None => return Err(AdminError::Interrupted),
            }
            continue;
        };
        let line = held.split_to(scanned + end + 1);
        scanned = 0;
        match serde_json::from_slice::<Line<IgnoredAny>>(&line) {
            Ok(Line::Progress(progress)) => progress.iter().for_each(&mut *on_progress),
            // Also a line of another version: the caller knows the type of the output, and reports that.
            _ => return Ok(line),
        }
    }
}

/// Returns the result or the error in the last line of a response.
fn output<T: DeserializeOwned>(last_line: &[u8]) -> Result<T, AdminError> {
    match serde_json::from_slice(last_line) {
        Ok(Line::Result(output)) => Ok(output),
        Ok(Line::Error(failure)) => Err(AdminError::Failed(failure.message)),
        Ok(Line::Progress(_)) | Err(_) => {
            Err(AdminError::failed("the daemon has another version: use the command of that version"))
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use http_body_util::StreamBody;
    use std::time::Duration;

    use super::{MAX_SILENCE, boxed_body, pieces};

    #[tokio::test(start_paused = true)]
    async fn a_daemon_is_silent_only_if_the_machine_did_not_stand_still() {
        let mut pieces = pieces(boxed_body(StreamBody::new(stream::pending::<Result<_, std::io::Error>>())));
        assert!(pieces.next().now_or_never().is_none());
        tokio::time::advance(MAX_SILENCE + Duration::from_secs(1)).await;
        assert!(pieces.next().now_or_never().is_none(), "as after a stop");
        tokio::time::advance(MAX_SILENCE).await;
        assert!(pieces.next().now_or_never().unwrap().unwrap().is_err());
    }
}
