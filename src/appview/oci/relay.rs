//! Proxied pulls of blobs: the bytes stream from the hold to the client, and none is stored.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, IF_RANGE, RANGE,
};
use http::request::Parts;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::refusal::{OciError, of_remote};
use super::response::DOCKER_CONTENT_DIGEST;
use super::state::OciState;
use crate::remote::RemoteError;
use atproto::syntax::Digest;
use server::egress::ClientBody;
use server::storage::Hash;
use server::wire::{Response, ResponseBody};
use server::xrpc::header;
use server::xrpc::response::set_header;

/// Longest pause between two bytes of a hold.
const STALL: Duration = Duration::from_secs(60);

/// Returns the response to a pull of the blob at the hold's `url`.
pub(super) async fn answer(state: &OciState, url: &str, digest: &Digest, head: &Parts) -> Result<Response, OciError> {
    let etag = format!("\"{digest}\"");
    // With `If-Range` of another version, the range does not apply.
    let applies = head.method == Method::GET && header(head, IF_RANGE.as_str()).is_none_or(|version| version == etag);
    // A store may answer several ranges by a body of parts, which has a type of its own. The whole blob is an answer, too.
    let is_one = |range: &&HeaderValue| !range.as_bytes().contains(&b',');
    let range = head.headers.get(RANGE).filter(|_| applies).filter(is_one);
    let found = state.holds.open(head.method.clone(), url, range).await.map_err(|error| match error {
        RemoteError::Refused { status: StatusCode::NOT_FOUND, .. } => OciError::blob_unknown(),
        error => of_remote("the hold of this image", error),
    })?;
    let (found, body) = found.into_parts();
    let length = found.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let mut response = Response::new(match found.status {
        StatusCode::RANGE_NOT_SATISFIABLE => ResponseBody::empty(),
        StatusCode::OK => ResponseBody::stream(length, pieces(body, Some(*digest))),
        _ => ResponseBody::stream(length, pieces(body, None)),
    });
    *response.status_mut() = found.status;
    if let Some(range) = found.headers.get(CONTENT_RANGE) {
        response.headers_mut().insert(CONTENT_RANGE, range.clone());
    }
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    set_header(&mut response, ETAG, &etag);
    set_header(&mut response, DOCKER_CONTENT_DIGEST, &digest.to_string());
    response.extensions_mut().insert(*digest);
    Ok(response)
}

/// A proxied body. Its newest piece is held back, so that a whole blob with a wrong digest is never sent completely.
struct Relayed {
    body: ClientBody,
    held: Option<Bytes>,
    hash: Hash,
    /// The expected digest of a whole blob; `None` for a range.
    digest: Option<Digest>,
}

fn pieces(body: ClientBody, digest: Option<Digest>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let relayed = Relayed { body, held: None, hash: Hash::default(), digest };
    stream::try_unfold(Some(relayed), |relayed| async move {
        let Some(mut relayed) = relayed else { return Ok(None) };
        loop {
            match timeout(STALL, relayed.body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    let Ok(piece) = frame.into_data() else { continue };
                    if relayed.digest.is_some() {
                        relayed.hash.update(&piece);
                    }
                    if let Some(before) = relayed.held.replace(piece) {
                        return Ok(Some((before, Some(relayed))));
                    }
                }
                Ok(Some(Err(error))) => return Err(io::Error::other(error)),
                Ok(None) if relayed.digest.is_some_and(|digest| digest != relayed.hash.digest()) => {
                    tracing::warn!("a hold sent a blob with another digest; the pull was cut off");
                    return Err(io::Error::other("the blob has another digest"));
                }
                Ok(None) => return Ok(relayed.held.take().map(|last| (last, None))),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    })
}
