//! Parses and checks parts of requests: tokens, repositories, part numbers.

use http::request::Parts;

use super::refusal;
use crate::gate::RequestCredentials;
use atproto::lexicon::error as name;
use atproto::repo::{Cid, cid};
use atproto::syntax::{Did, MediaType};
use server::bulkhead::Caller;
use server::tokens::Credentials;
use server::xrpc::{Error, JSON_BYTES, header};

/// Limit of the body of completeUpload: it lists up to 10,000 parts of about 150 bytes each.
pub(super) const COMPLETE_BYTES: u64 = 2 * 1024 * 1024;
/// Limit of the body: the largest manifest of the OCI distribution specification, and some more for the other fields.
pub(super) const MANIFEST_BYTES: u64 = 4 * 1024 * 1024 + JSON_BYTES;

/// Parses a CID of a request.
pub(super) fn parse_cid(name: &str, text: &str) -> Result<Cid, Error> {
    cid::parse(text).map_err(|e| Error::invalid(format!("{name}: {e}")))
}

/// Checks that the repository a request names is the hold's own, by DID or handle.
pub(super) fn check_repo(text: &str, did: &Did, handle: Option<&str>) -> Result<(), Error> {
    if text == did.as_str() || handle.is_some_and(|handle| handle.eq_ignore_ascii_case(text)) {
        Ok(())
    } else {
        Err(refusal::repo_not_found())
    }
}

/// Reads the credentials of a call of `method`.
pub(super) fn credentials<'h>(
    head: &'h Parts,
    caller: &'h Caller,
    method: &'static str,
    now_s: i64,
) -> Result<RequestCredentials<'h>, Error> {
    let values = |name: &str| head.headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
    let token = Credentials::of(values("authorization"), values("dpop")).map_err(refusal::of_token)?;
    Ok(RequestCredentials { token, caller, method, now_s })
}

/// Parses the media type of a body that may have any.
pub(super) fn media_type(head: &Parts) -> Result<MediaType, Error> {
    if !head.headers.contains_key(http::header::CONTENT_TYPE) {
        return Ok(MediaType::octet_stream());
    }
    let named = MediaType::of_header(header(head, "content-type").unwrap_or_default());
    named.map_err(|e| Error::new(http::StatusCode::BAD_REQUEST, name::INVALID_MIME_TYPE, format!("Content-Type: {e}")))
}

/// Parses a part number from a JSON number.
pub(super) fn part_number(value: &serde_json::Value) -> Result<crate::blobs::PartNumber, Error> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    Ok(crate::blobs::PartNumber::new(number)?)
}
