//! Reading an object in ranges, memory bounded by one connection's buffer.
//!
//! A read that breaks off continues at its position, pinned to the same ETag: a blob of many gigabytes is verified in
//! one read, and a store may drop a connection at any time.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::header::{CONTENT_RANGE, ETAG, HeaderMap, IF_MATCH, RANGE};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;

use super::client::{Call, Client};
use super::fault::Fault;
use crate::objects::ObjectInfo;
use server::egress::ClientBody;
use server::storage::StorageError;

/// Longest wait for the next bytes of a read.
const SILENCE_LIMIT: Duration = Duration::from_secs(20);
/// Failures in a row without one byte of progress at which a read is given up.
const MAX_FRUITLESS: u8 = 3;

/// An open object in a bucket. Its bytes are requested when they are read.
pub(in crate::objects) struct BucketObject {
    client: Arc<Client>,
    key: String,
    pub(in crate::objects) info: ObjectInfo,
}

/// A read in progress: the range that is still to be read, and the response it comes from.
struct Reading {
    object: BucketObject,
    wanted: Range<u64>,
    body: Option<ClientBody>,
    fruitless: u8,
}

impl BucketObject {
    pub(super) fn new(client: Arc<Client>, key: String, info: ObjectInfo) -> Self {
        Self { client, key, info }
    }

    pub(in crate::objects) fn stream(self, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        let reading = Reading { object: self, wanted: range, body: None, fruitless: 0 };
        stream::try_unfold(reading, |mut reading| async move {
            let next = reading.next().await?;
            Ok(next.map(|bytes| (bytes, reading)))
        })
    }

    async fn request(&self, wanted: &Range<u64>) -> Result<ClientBody, Fault> {
        let call = Call::on(Method::GET, &self.key)
            .header(RANGE, &format!("bytes={}-{}", wanted.start, wanted.end - 1))
            .header(IF_MATCH, &self.info.etag);
        let answer = self.client.open(&call).await?;
        // Not every store honours If-Match, and not every one honours Range.
        let etag = answer.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
        if etag.is_some_and(|etag| etag.trim_matches('"') != self.info.etag.trim_matches('"')) {
            return Err(Fault::InvalidResponse("an object changed while it was read"));
        }
        let is_right = match is_range(answer.headers(), wanted.start, self.info.size_bytes) {
            // Checked in a 200 response too: rclone sends it there.
            Some(is_right) => is_right,
            None => answer.status() != StatusCode::PARTIAL_CONTENT && wanted.start == 0,
        };
        if is_right { Ok(answer.into_body()) } else { Err(Fault::InvalidResponse("it is not the range asked for")) }
    }
}

/// Whether a `Content-Range` such as `bytes 5-9/10` begins at `start`, in an object of this size; `None` without one.
fn is_range(headers: &HeaderMap, start: u64, size_bytes: u64) -> Option<bool> {
    let text = headers.get(CONTENT_RANGE)?.to_str().unwrap_or_default();
    let found = text.strip_prefix("bytes ").and_then(|text| text.split_once('/')).and_then(|(range, total)| {
        let first: u64 = range.split_once('-')?.0.parse().ok()?;
        Some(first == start && (total == "*" || total.parse() == Ok(size_bytes)))
    });
    Some(found.unwrap_or_default())
}

impl Reading {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if self.wanted.is_empty() {
                return Ok(None);
            }
            if self.wanted.end > self.object.info.size_bytes {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut body = match self.body.take() {
                Some(body) => body,
                None => self.object.request(&self.wanted).await.map_err(failed)?,
            };
            match tokio::time::timeout(SILENCE_LIMIT, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    self.body = Some(body);
                    let Ok(mut bytes) = frame.into_data() else { continue };
                    let rest = self.wanted.end - self.wanted.start;
                    bytes.truncate(usize::try_from(rest).unwrap_or(usize::MAX));
                    if bytes.is_empty() {
                        continue;
                    }
                    self.wanted.start += bytes.len() as u64;
                    self.fruitless = 0;
                    return Ok(Some(bytes));
                }
                Ok(Some(Err(error))) => self.broke_off(error.0)?,
                Ok(None) => self.broke_off("the answer ended early".into())?,
                Err(_) => self.broke_off("no bytes came in time".into())?,
            }
        }
    }

    fn broke_off(&mut self, reason: String) -> io::Result<()> {
        self.fruitless += 1;
        if self.fruitless < MAX_FRUITLESS { Ok(()) } else { Err(failed(Fault::NoAnswer(reason))) }
    }
}

fn failed(fault: Fault) -> io::Error {
    io::Error::other(StorageError::from(fault))
}
