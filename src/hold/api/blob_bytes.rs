//! The bytes of a blob, whole or one range. <https://www.rfc-editor.org/rfc/rfc9110#section-14>

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_SECURITY_POLICY, ETAG, HeaderName, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{Method, StatusCode};

use super::refusal;
use super::state::ApiState;
use crate::gate::{ReadPermit, SignedRead};
use crate::pds::PublishedBlob;
use atproto::syntax::Digest;
use server::storage::StorageError;
use server::wire::{FileFault, Peer, Request, RequestedRange, Response, ResponseBody};
use server::xrpc::response::set_header;
use server::xrpc::{Error, is_known, not_modified, response};

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// The header by which nginx sends a file itself.
/// <https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_ignore_headers>
const X_ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");

/// `GET /blobs/<digest>?…`, by signed URL.
pub(super) async fn handle(
    state: Arc<ApiState>,
    permit: ReadPermit,
    signed: SignedRead,
    request: Request,
) -> Result<Response, Error> {
    serve(&state, &permit, *signed.digest(), signed.size_bytes(), &request).await
}

/// Returns the blob, whose size may be known, with the headers that registries and atproto clients expect.
pub(super) async fn serve(
    state: &ApiState,
    _permit: &ReadPermit,
    digest: Digest,
    size_bytes: Option<u64>,
    request: &Request,
) -> Result<Response, Error> {
    let etag = format!("\"{digest}\"");
    let mut response = match sent_by_proxy(state, request.peer, &digest) {
        Some(place) => {
            state.hold.blobs.stat(&digest, size_bytes).await?.ok_or_else(refusal::blob_not_found)?;
            let known = is_known(&request.head, &etag);
            let mut response = if known { not_modified() } else { response::with_type(OCTETS, ResponseBody::empty()) };
            describe(&mut response, &etag);
            if !known {
                set_header(&mut response, X_ACCEL_REDIRECT, &place);
            }
            response
        }
        None => {
            let blob = state.hold.blobs.open_blob(&digest, size_bytes).await?.ok_or_else(refusal::blob_not_found)?;
            let size_bytes = blob.size_bytes();
            let body = |range: Range<u64>| {
                if let Some(bytes) = blob.in_memory() {
                    return full(bytes, range);
                }
                let (file, length_bytes) = (blob.file_to_send(&range), range.end - range.start);
                let stream = blob.stream(range.clone()).map_err(move |error| unreadable(&digest, error));
                match file {
                    Some(file) => {
                        let fault = FileFault::new(move |error| drop(unreadable(&digest, error)));
                        ResponseBody::file(file, range, stream, fault)
                    }
                    None => ResponseBody::stream(Some(length_bytes), stream),
                }
            };
            part_or_whole(&request.head, OCTETS, size_bytes, &etag, body)?
        }
    };
    set_header(&mut response, DOCKER_CONTENT_DIGEST, &digest.to_string());
    Ok(response::about(digest, response))
}

/// Counts and logs a read error of a blob after its length was announced: the client's connection is cut off.
fn unreadable(digest: &Digest, error: io::Error) -> io::Error {
    let error = StorageError::from(error);
    tracing::error!(%digest, %error, "a blob cannot be read; the pull was cut off");
    io::Error::other(error)
}

/// Returns the path at which a reverse proxy at the Unix socket finds the file of a blob, if the proxy is to send the
/// bytes and handle ranges itself.
fn sent_by_proxy(state: &ApiState, peer: Peer, digest: &Digest) -> Option<String> {
    let prefix = state.accel_redirect.as_ref().filter(|_| peer == Peer::Unix)?;
    state.hold.blobs.file_of(digest).map(|path| format!("{prefix}{path}"))
}

/// Returns a blob that a record refers to, with its media type.
pub(super) fn serve_published(blob: PublishedBlob, head: &Parts) -> Result<Response, Error> {
    let kind = HeaderValue::from_str(blob.media_type.as_str()).unwrap_or(OCTETS);
    let (size_bytes, etag) = (blob.bytes.len() as u64, format!("\"{}\"", blob.cid));
    part_or_whole(head, kind, size_bytes, &etag, |range| full(&blob.bytes, range))
}

/// Returns the body of a range of bytes.
fn full(bytes: &Bytes, range: Range<u64>) -> ResponseBody {
    // Both ends are within the bytes, whose length is a usize.
    let index = |at: u64| usize::try_from(at).unwrap_or(bytes.len());
    ResponseBody::full(bytes.slice(index(range.start)..index(range.end)))
}

/// Returns the whole blob or the range that the request names. `body` makes the body of a range.
fn part_or_whole(
    head: &Parts,
    kind: HeaderValue,
    size_bytes: u64,
    etag: &str,
    body: impl FnOnce(Range<u64>) -> ResponseBody,
) -> Result<Response, Error> {
    if is_known(head, etag) {
        let mut response = not_modified();
        describe(&mut response, etag);
        return Ok(response);
    }
    let (range, partial) = match RequestedRange::of(head, size_bytes, etag) {
        RequestedRange::Whole => (0..size_bytes, false),
        RequestedRange::Part(range) => (range, true),
        RequestedRange::Unsatisfiable => return Err(Error::range_not_satisfiable(size_bytes)),
    };
    let length_bytes = range.end - range.start;
    let content_range = partial.then(|| format!("bytes {}-{}/{size_bytes}", range.start, range.end - 1));
    let body = if head.method == Method::HEAD {
        ResponseBody::stream(Some(length_bytes), futures_util::stream::empty())
    } else {
        body(range)
    };
    let mut response = response::with_type(kind, body);
    if let Some(text) = content_range {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        set_header(&mut response, CONTENT_RANGE, &text);
    }
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    describe(&mut response, etag);
    Ok(response)
}

/// Sets the headers that every response with a blob has.
fn describe(response: &mut Response, etag: &str) {
    set_header(response, ETAG, etag);
    let headers = response.headers_mut();
    // A blob is untrusted: a browser must never run or show it as part of this site.
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
}
